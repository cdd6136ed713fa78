//! Extents of inputs whose axes a model leaves open.

use std::collections::HashMap;

use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::{ValueInfoProto, type_proto};

use crate::ImportError;
use crate::call::{Imported, count};

/// Shapes that were given, and what follows for symbols.
#[derive(Default)]
pub(crate) struct Extents {
    /// By input.
    shapes: HashMap<String, Vec<usize>>,
    /// By symbol.
    symbols: HashMap<String, usize>,
    batch: usize,
}

/// Extents as the model states them; None if it does not state their number.
fn stated(input: &ValueInfoProto) -> Option<Vec<&Option<Dim>>> {
    let Some(type_proto::Value::TensorType(ty)) = input.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return None;
    };
    Some(ty.shape.as_ref()?.dim.iter().map(|d| &d.value).collect())
}

impl Extents {
    /// Knows symbols, and the extent of first axes that are open.
    pub(crate) fn new(symbols: HashMap<String, usize>, batch: usize) -> Self {
        Self { shapes: HashMap::new(), symbols, batch }
    }

    /// Assigns the shapes that were given to the inputs of a model.
    ///
    /// # Errors
    /// If one has no input, or contradicts the model.
    pub(crate) fn with_shapes(
        mut self,
        shapes: &[(Option<String>, Vec<usize>)],
        inputs: &[&ValueInfoProto],
    ) -> Result<Self, ImportError> {
        let names: Vec<&str> = inputs.iter().map(|i| i.name.as_str()).collect();
        for (name, shape) in shapes {
            let input = match name {
                Some(name) => inputs.iter().find(|i| i.name == *name),
                None if inputs.len() == 1 => inputs.first(),
                None => None,
            };
            let input = input.ok_or_else(|| {
                let names = names.join(", ");
                ImportError::Shape(match name {
                    Some(name) => format!("there is no input `{name}`; the inputs are {names}"),
                    None => format!(
                        "a shape without a name is for networks with one input; the inputs are {names}"
                    ),
                })
            })?;
            self.assign(input, shape).map_err(ImportError::Shape)?;
        }
        Ok(self)
    }

    fn assign(&mut self, input: &ValueInfoProto, shape: &[usize]) -> Imported<()> {
        let name = &input.name;
        let dims = stated(input);
        if let Some(dims) = dims.as_ref().filter(|d| d.len() != shape.len()) {
            return Err(format!("the input `{name}` has {} axes, not {}", dims.len(), shape.len()));
        }
        for (k, (dim, &extent)) in dims.iter().flatten().zip(shape).enumerate() {
            match dim {
                Some(Dim::DimValue(d)) if *d > 0 && *d != extent as i64 => {
                    return Err(format!("axis {k} of the input `{name}` has the extent {d}, not {extent}"));
                }
                Some(Dim::DimParam(symbol)) if !symbol.is_empty() => {
                    let known = *self.symbols.entry(symbol.clone()).or_insert(extent);
                    if known != extent {
                        return Err(format!("`{symbol}` would be {known} and {extent}"));
                    }
                }
                _ => {}
            }
        }
        if self.shapes.insert(name.clone(), shape.to_vec()).is_some() {
            return Err(format!("the input `{name}` is given two shapes"));
        }
        Ok(())
    }

    /// The shape of an input.
    ///
    /// # Errors
    /// Which extent is not known, and how to give it.
    pub(crate) fn of(&self, input: &ValueInfoProto) -> Imported<Vec<usize>> {
        if let Some(shape) = self.shapes.get(&input.name) {
            return shape.iter().map(|&d| count(d as i64, "an extent")).collect();
        }
        let remedy = |shape: &str| format!("--input-shape {}={shape} gives it", input.name);
        let dims =
            stated(input).ok_or_else(|| format!("its shape is not given; {}", remedy("1,3,224,224")))?;
        let extent = |k: usize, dim: &Option<Dim>| -> Option<usize> {
            match dim {
                Some(Dim::DimValue(d)) if *d > 0 => usize::try_from(*d).ok(),
                Some(Dim::DimParam(name)) if self.symbols.contains_key(name) => {
                    self.symbols.get(name).copied()
                }
                _ if k == 0 && dims.len() > 1 => Some(self.batch),
                _ => None,
            }
        };
        let found: Vec<Option<usize>> = dims.iter().enumerate().map(|(k, dim)| extent(k, dim)).collect();
        let Some(open) = found.iter().position(Option::is_none) else {
            return found.into_iter().flatten().map(|d| count(d as i64, "an extent")).collect();
        };
        let example: Vec<String> = found.iter().map(|d| d.map_or("N".into(), |d| d.to_string())).collect();
        let remedy = format!("{}, with numbers for N", remedy(&example.join(",")));
        Err(match dims[open] {
            Some(Dim::DimParam(name)) if !name.is_empty() => {
                format!("axis {open} is symbolic ({name}); {remedy}")
            }
            _ => format!("the extent of axis {open} is not given; {remedy}"),
        })
    }
}
