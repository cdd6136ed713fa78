//! What a file is, by its first bytes: a file in the wrong place is called by its name.

use std::io::Read;
use std::path::Path;

/// A kind of file that people give to fhec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A compiled network.
    Plan,
    /// What a client needs of a plan.
    Client,
    /// Keys or ciphertexts.
    Data,
    /// An ONNX network.
    Network,
    /// A picture, of this format.
    Picture(&'static str),
    /// A numpy array.
    Array,
    /// Several numpy arrays.
    Arrays,
    /// Weights or a program as PyTorch saves them.
    PyTorch,
    /// A network in a format of TensorFlow or Keras.
    TensorFlow,
    /// Text.
    Text,
    /// Nothing.
    Empty,
    /// Something else.
    Unknown,
}

/// As much of a file as tells its kind.
const HEAD: u64 = 4096;

/// The kind of a file; unknown if it cannot be read.
pub(crate) fn of(path: &Path) -> Kind {
    // Others may have no end, or no beginning: opening a FIFO waits for who writes to it.
    if !path.metadata().is_ok_and(|m| m.is_file()) {
        return Kind::Unknown;
    }
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    if read.is_ok() { of_bytes(&head) } else { Kind::Unknown }
}

fn of_bytes(head: &[u8]) -> Kind {
    let holds = |word: &[u8]| head.windows(word.len()).any(|w| w == word);
    match head {
        [] => Kind::Empty,
        _ if head.starts_with(b"FHECPLAN") => Kind::Plan,
        _ if head.starts_with(b"FHECSPEC") => Kind::Client,
        _ if head.starts_with(b"FHECDATA") => Kind::Data,
        _ if head.starts_with(b"\x89PNG") => Kind::Picture("PNG"),
        _ if head.starts_with(b"\xff\xd8\xff") => Kind::Picture("JPEG"),
        _ if head.starts_with(b"GIF8") => Kind::Picture("GIF"),
        _ if head.starts_with(b"BM") => Kind::Picture("BMP"),
        _ if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") => Kind::Picture("WebP"),
        _ if head.starts_with(b"\x93NUMPY") => Kind::Array,
        _ if head.starts_with(b"PK") && holds(b".npy") => Kind::Arrays,
        _ if head.starts_with(b"PK") && holds(b"config.json") => Kind::TensorFlow,
        _ if head.starts_with(b"PK") && (holds(b"data.pkl") || holds(b"/version")) => Kind::PyTorch,
        // A pickle of protocol 2 and later.
        [0x80, 2..=5, ..] => Kind::PyTorch,
        _ if head.starts_with(b"\x89HDF") || head.get(4..8) == Some(b"TFL3") => Kind::TensorFlow,
        // A protobuf whose first field is a small number: the version of ONNX.
        [8, 1..=32, ..] => Kind::Network,
        _ if std::str::from_utf8(head).is_ok_and(|t| !t.contains(['\0', '\u{8}'])) => Kind::Text,
        _ => Kind::Unknown,
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plan => f.write_str("a plan"),
            Self::Client => f.write_str("a client file"),
            Self::Data => f.write_str("a file of keys or ciphertexts"),
            Self::Network => f.write_str("an ONNX network"),
            Self::Picture(format) => write!(f, "a picture ({format})"),
            Self::Array => f.write_str("a numpy array"),
            Self::Arrays => f.write_str("an archive of numpy arrays"),
            Self::PyTorch => f.write_str("a PyTorch file"),
            Self::TensorFlow => f.write_str("a TensorFlow or Keras file"),
            Self::Text => f.write_str("a text"),
            Self::Empty => f.write_str("an empty file"),
            Self::Unknown => f.write_str("a file of another kind"),
        }
    }
}

/// What a file that is no ONNX network is, and what to do with it; None if it may be one.
#[cfg(feature = "compiler")]
pub(crate) fn no_network(path: &Path) -> Option<String> {
    let (kind, file) = (of(path), path.display());
    let advice = match kind {
        Kind::Network | Kind::Unknown => return None,
        Kind::Plan => format!(
            "it is compiled already: `fhec infer {file} --input …` runs it, `fhec inspect {file}` shows it"
        ),
        Kind::Client => "compile the network it comes from".into(),
        Kind::Data => "give the network that they belong to".into(),
        Kind::Picture(_) | Kind::Array | Kind::Arrays => {
            format!("give the network first: `fhec infer model.onnx --input {file}`")
        }
        Kind::PyTorch => {
            "export the network with torch.onnx.export(model, example, \"model.onnx\"), and give that".into()
        }
        Kind::TensorFlow => "convert it with tf2onnx, and give the .onnx".into(),
        Kind::Text if path.extension().is_some_and(|e| e == "fir") => {
            format!("`fhec opt {file}` reads programs as text")
        }
        Kind::Text | Kind::Empty => "check how it was written or downloaded".into(),
    };
    Some(format!("this is no ONNX network but {kind}: {advice}"))
}

/// What a file that is no plan (or no client file, if `client` will do) is, and what to do with it.
pub(crate) fn no_plan(path: &Path, client: bool) -> String {
    let (kind, file) = (of(path), path.display());
    let wanted = if client { "client" } else { "plan" };
    let advice = match kind {
        Kind::Network => {
            format!("compile it first: `fhec {file} -o {}`", path.with_extension("plan").display())
        }
        Kind::Client => "a client file has no schedule; give the plan that it was split from".into(),
        Kind::Plan | Kind::Data | Kind::Picture(_) | Kind::Array | Kind::Arrays => {
            format!("the {wanted} file comes first, what `fhec model.onnx -o model.plan` wrote")
        }
        Kind::PyTorch | Kind::TensorFlow => "export the network to ONNX, and compile that".into(),
        Kind::Text | Kind::Empty | Kind::Unknown => "check how it was written or copied".into(),
    };
    format!("this is no fhec {wanted} file but {kind}: {advice}")
}

#[cfg(test)]
mod tests {
    use super::{Kind, of_bytes};

    #[test]
    fn kinds_by_their_first_bytes() {
        for (head, kind) in [
            (&b""[..], Kind::Empty),
            (b"FHECPLAN\x04", Kind::Plan),
            (b"\x08\x08\x12\x07pytorch", Kind::Network),
            (b"\x89PNG\r\n", Kind::Picture("PNG")),
            (b"\x93NUMPY\x01", Kind::Array),
            (b"PK\x03\x04....archive/data.pkl", Kind::PyTorch),
            (b"PK\x03\x04....arr_0.npy", Kind::Arrays),
            (b"\x80\x02\x8a\x0a", Kind::PyTorch),
            (b"version https://git-lfs.github.com/spec/v1\n", Kind::Text),
            (b"\x00\x01\xfe\xff", Kind::Unknown),
        ] {
            assert_eq!(of_bytes(head), kind, "{head:?}");
        }
    }
}
