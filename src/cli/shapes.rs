//! Shapes of inputs that a network leaves open.

use clap::Args;
use fhec_frontend::Options;
#[cfg(feature = "client")]
use fhec_ir::plan::ClientInput;

/// An input and its shape; without a name the only one.
pub(crate) type InputShape = (Option<String>, Vec<usize>);

/// Options for them.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ShapeArgs {
    /// Shape of an input whose axes the network leaves open, by name, or of the only one: x=1,3,224,224. Repeatable.
    #[arg(long, value_name = "[NAME=]N,N,…", value_parser = parse, help_heading = "Compilation")]
    input_shape: Vec<InputShape>,
}

impl ShapeArgs {
    /// The shapes that a plan's inputs have, for the network that it was made of.
    #[cfg(feature = "client")]
    pub(crate) fn of(inputs: &[ClientInput]) -> Self {
        let shape = |input: &ClientInput| (Some(input.name.clone()), input.layout.shape());
        Self { input_shape: inputs.iter().map(shape).collect() }
    }

    /// How to import a network with these shapes.
    pub(crate) fn options(&self) -> Options {
        Options { shapes: self.input_shape.clone(), ..Options::default() }
    }
}

fn parse(text: &str) -> Result<InputShape, String> {
    let (name, extents) = match text.rsplit_once('=') {
        Some((name, extents)) if !name.is_empty() => (Some(name.to_string()), extents),
        Some(_) => return Err("the name before `=` is missing".into()),
        None => (None, text),
    };
    let extent = |x: &str| match x.trim().parse::<u32>() {
        Ok(n) if n > 0 => Ok(n as usize),
        _ => {
            Err(format!("{x:?} is no extent: numbers with commas between them are wanted, as in 1,3,224,224"))
        }
    };
    Ok((name, extents.split(',').map(extent).collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn shapes_with_and_without_names() {
        assert_eq!(parse("1,3,8,8"), Ok((None, vec![1, 3, 8, 8])));
        assert_eq!(parse("a:0=1, 5"), Ok((Some("a:0".into()), vec![1, 5])));
        for text in ["", "x=", "=1", "x=1,0", "x=1,,2", "x=1xA", "-1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
