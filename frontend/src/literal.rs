//! Constants of the ONNX graph while it is imported: weights and the integers that shapes are computed with.

use std::path::{Path, PathBuf};

use fhec_ir::{Constant, Weights};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, SparseTensorProto, TensorProto};

/// Elements of a [`Literal`].
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// Floating point of any width, as f32.
    Float(Weights),
    /// Integers and booleans.
    Int(Vec<i64>),
}

/// A constant tensor of the ONNX graph.
#[derive(Clone, Debug)]
pub(crate) struct Literal {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data,
    /// Type in the file: rounding to integers ends at its bounds.
    pub(crate) ty: DataType,
}

impl Literal {
    pub(crate) fn ints(shape: Vec<usize>, data: Vec<i64>) -> Self {
        Self { shape, data: Data::Int(data), ty: DataType::Int64 }
    }

    pub(crate) fn floats(shape: Vec<usize>, data: impl Into<Weights>) -> Self {
        Self { shape, data: Data::Float(data.into()), ty: DataType::Float }
    }

    /// The same elements under another shape.
    pub(crate) fn reshaped(&self, shape: Vec<usize>) -> Self {
        Self { shape, data: self.data.clone(), ty: self.ty }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.data {
            Data::Float(d) => d.len(),
            Data::Int(d) => d.len(),
        }
    }

    /// The elements as floats.
    pub(crate) fn to_floats(&self) -> Weights {
        match &self.data {
            Data::Float(d) => d.clone(),
            Data::Int(d) => d.iter().map(|&i| i as f32).collect(),
        }
    }

    /// The elements as integers; floats only if they are integral (old exporters write sizes so).
    pub(crate) fn to_ints(&self) -> Result<Vec<i64>, String> {
        match &self.data {
            Data::Int(d) => Ok(d.clone()),
            Data::Float(d) => d
                .iter()
                .map(|&x| if x.fract() == 0.0 && x.abs() < 1e15 { Ok(x as i64) } else { Err(x) })
                .collect::<Result<_, _>>()
                .map_err(|x| format!("{x} where an integer is expected")),
        }
    }

    pub(crate) fn to_constant(&self) -> Constant {
        Constant { shape: self.shape.clone(), data: self.to_floats() }
    }

    /// The number, if all elements are the same one.
    pub(crate) fn uniform(&self) -> Option<f32> {
        let data = self.to_floats();
        let &first = data.first()?;
        data.iter().all(|&x| x == first).then_some(first)
    }
}

/// Number of elements of an ONNX shape, within `limit`.
pub(crate) fn checked_len(dims: &[i64], limit: usize) -> Result<(Vec<usize>, usize), String> {
    let mut shape = Vec::with_capacity(dims.len());
    let mut len = 1usize;
    for &d in dims {
        let d = usize::try_from(d).map_err(|_| format!("shape {dims:?} has a negative extent"))?;
        shape.push(d);
        len = len
            .checked_mul(d)
            .filter(|&n| n <= limit)
            .ok_or_else(|| format!("shape {dims:?} has more than {limit} elements"))?;
    }
    Ok((shape, len))
}

fn width(ty: DataType) -> Option<usize> {
    match ty {
        DataType::Bool | DataType::Uint8 | DataType::Int8 => Some(1),
        DataType::Uint16 | DataType::Int16 | DataType::Float16 | DataType::Bfloat16 => Some(2),
        DataType::Float | DataType::Int32 | DataType::Uint32 => Some(4),
        DataType::Double | DataType::Int64 | DataType::Uint64 => Some(8),
        _ => None,
    }
}

/// IEEE half precision, exactly.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

/// The numbers of a tensor in the file, or beside it under `base`.
pub(crate) fn from_proto(tensor: &TensorProto, base: Option<&Path>, limit: usize) -> Result<Literal, String> {
    let (shape, len) = checked_len(&tensor.dims, limit)?;
    let ty = DataType::try_from(tensor.data_type)
        .map_err(|_| format!("data type {} is unknown", tensor.data_type))?;
    let Some(width) = width(ty) else {
        return Err(format!("numbers of type {} are not supported", ty.as_str_name()));
    };
    if tensor.segment.is_some() {
        return Err("segmented tensors are not supported".into());
    }
    let external = tensor.data_location == Some(1);
    if external || !tensor.raw_data.is_empty() {
        let read;
        let raw = if external {
            read = read_external(tensor, base, len * width)?;
            &read[..]
        } else {
            &tensor.raw_data[..]
        };
        if raw.len() != len * width {
            return Err(format!("{} bytes for shape {shape:?} of {}", raw.len(), ty.as_str_name()));
        }
        return Ok(Literal { shape, data: decode(raw, ty), ty });
    }
    let given = |n: usize| {
        if n == len { Ok(()) } else { Err(format!("{n} elements for shape {shape:?}")) }
    };
    let data = match ty {
        DataType::Float => {
            given(tensor.float_data.len())?;
            Data::Float(tensor.float_data.as_slice().into())
        }
        DataType::Double => {
            given(tensor.double_data.len())?;
            Data::Float(tensor.double_data.iter().map(|&x| x as f32).collect())
        }
        DataType::Int64 => {
            given(tensor.int64_data.len())?;
            Data::Int(tensor.int64_data.clone())
        }
        DataType::Uint32 | DataType::Uint64 => {
            given(tensor.uint64_data.len())?;
            Data::Int(tensor.uint64_data.iter().map(|&x| x as i64).collect())
        }
        DataType::Float16 | DataType::Bfloat16 => {
            given(tensor.int32_data.len())?;
            let raw: Vec<u8> = tensor.int32_data.iter().flat_map(|&x| (x as u16).to_le_bytes()).collect();
            decode(&raw, ty)
        }
        _ => {
            given(tensor.int32_data.len())?;
            Data::Int(tensor.int32_data.iter().map(|&x| i64::from(x)).collect())
        }
    };
    Ok(Literal { shape, data, ty })
}

/// The numbers of a tensor of which only those that are not 0 are listed, by linear index or by one index per axis.
pub(crate) fn from_sparse(
    tensor: &SparseTensorProto,
    base: Option<&Path>,
    limit: usize,
) -> Result<Literal, String> {
    let (shape, len) = checked_len(&tensor.dims, limit)?;
    let values = from_proto(tensor.values.as_ref().ok_or("its values are missing")?, base, limit)?;
    let indices = from_proto(tensor.indices.as_ref().ok_or("its indices are missing")?, base, limit)?;
    let at = indices.to_ints()?;
    let (count, rank) = match indices.shape[..] {
        [count] => (count, None),
        [count, rank] if rank == shape.len() => (count, Some(rank)),
        _ => return Err(format!("indices of shape {:?} into shape {shape:?}", indices.shape)),
    };
    if count != values.len() {
        return Err(format!("{} values for {count} indices", values.len()));
    }
    let bounded = |i: i64, extent: usize| {
        let index = usize::try_from(i).ok().filter(|&i| i < extent);
        index.ok_or_else(|| format!("an index is {i}, outside of shape {shape:?}"))
    };
    let linear = |k: usize| match rank {
        None => bounded(at[k], len),
        Some(rank) => at[k * rank..][..rank]
            .iter()
            .zip(&shape)
            .try_fold(0, |sum, (&i, &extent)| Ok(sum * extent + bounded(i, extent)?)),
    };
    let places = (0..count).map(linear).collect::<Result<Vec<_>, String>>()?;
    let data = match &values.data {
        Data::Float(given) => {
            let mut dense = vec![0.0; len];
            places.iter().zip(given.iter()).for_each(|(&i, &v)| dense[i] = v);
            Data::Float(dense.into())
        }
        Data::Int(given) => {
            let mut dense = vec![0; len];
            places.iter().zip(given).for_each(|(&i, &v)| dense[i] = v);
            Data::Int(dense)
        }
    };
    Ok(Literal { shape, data, ty: values.ty })
}

fn decode(raw: &[u8], ty: DataType) -> Data {
    fn map<const N: usize, U>(raw: &[u8], f: impl Fn([u8; N]) -> U) -> Vec<U> {
        raw.as_chunks::<N>().0.iter().map(|c| f(*c)).collect()
    }
    match ty {
        DataType::Float => Data::Float(map(raw, f32::from_le_bytes).into()),
        DataType::Double => Data::Float(map(raw, |b| f64::from_le_bytes(b) as f32).into()),
        DataType::Float16 => Data::Float(map(raw, |b| half(u16::from_le_bytes(b))).into()),
        DataType::Bfloat16 => {
            Data::Float(map(raw, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)).into())
        }
        DataType::Int8 => Data::Int(map(raw, |b: [u8; 1]| i64::from(b[0] as i8))),
        DataType::Int16 => Data::Int(map(raw, |b| i64::from(i16::from_le_bytes(b)))),
        DataType::Uint16 => Data::Int(map(raw, |b| i64::from(u16::from_le_bytes(b)))),
        DataType::Int32 => Data::Int(map(raw, |b| i64::from(i32::from_le_bytes(b)))),
        DataType::Uint32 => Data::Int(map(raw, |b| i64::from(u32::from_le_bytes(b)))),
        DataType::Int64 | DataType::Uint64 => Data::Int(map(raw, i64::from_le_bytes)),
        _ => Data::Int(map(raw, |b: [u8; 1]| i64::from(b[0]))),
    }
}

/// The files under `base` in which the graph's weights lie.
pub(crate) fn external_files(graph: &GraphProto, base: &Path) -> Vec<PathBuf> {
    let attributes = graph.node.iter().flat_map(|n| &n.attribute).filter_map(|a| a.t.as_ref());
    let sparse = graph.sparse_initializer.iter().flat_map(|s| [&s.values, &s.indices]).flatten();
    let entries = graph.initializer.iter().chain(attributes).chain(sparse).flat_map(|t| &t.external_data);
    let locations = entries.filter(|e| e.key == "location");
    let mut files: Vec<PathBuf> = locations.map(|e| base.join(&e.value)).collect();
    files.sort();
    files.dedup();
    files
}

/// Reads exactly `bytes` bytes of a file that must lie under the model's folder.
fn read_external(tensor: &TensorProto, base: Option<&Path>, bytes: usize) -> Result<Vec<u8>, String> {
    use std::io::{Read, Seek, SeekFrom};
    let field = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
    let location = field("location").ok_or("external data without a location")?;
    let base =
        base.ok_or_else(|| format!("data lies in {location:?}, but only the model's bytes are here"))?;
    let fail = |e: std::io::Error| format!("external data {location:?}: {e}");
    let base = base.canonicalize().map_err(fail)?;
    let path = base.join(location).canonicalize().map_err(fail)?;
    if !path.starts_with(&base) {
        return Err(format!("external data {location:?} lies outside the model's folder"));
    }
    let number = |key: &str| match field(key).map(str::parse::<u64>) {
        None => Ok(None),
        Some(Ok(n)) => Ok(Some(n)),
        Some(Err(_)) => Err(format!("external data {location:?} has a bad {key}")),
    };
    let offset = number("offset")?.unwrap_or(0);
    if number("length")?.is_some_and(|n| n != bytes as u64) {
        return Err(format!("external data {location:?} has another length than its shape"));
    }
    // Before it is opened: a FIFO would wait for a writer, a device may have no end.
    if !path.metadata().map_err(fail)?.is_file() {
        return Err(format!("external data {location:?} is no regular file"));
    }
    let mut file = std::fs::File::open(&path).map_err(fail)?;
    let available = file.metadata().map_err(fail)?.len();
    if offset.checked_add(bytes as u64).is_none_or(|end| end > available) {
        return Err(format!("external data {location:?} is too short"));
    }
    file.seek(SeekFrom::Start(offset)).map_err(fail)?;
    let mut data = vec![0; bytes];
    file.read_exact(&mut data).map_err(fail)?;
    Ok(data)
}
