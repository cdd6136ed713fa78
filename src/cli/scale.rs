//! `--resize`, for verbs that read pictures and for those that say in a plan what becomes of them.

use std::ffi::OsString;
use std::str::FromStr;

use clap::Args;
use fhec_ir::plan::Resize;
use serde::Deserialize;

/// What is done about pictures of another size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Scale {
    /// They are refused.
    Never,
    /// They are scaled to the network's.
    Exact,
    /// They are scaled to another one, from which the network's is cut.
    To(Resize),
}

impl FromStr for Scale {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::Never),
            "exact" => Ok(Self::Exact),
            text => match text.parse() {
                Ok(resize) => Ok(Self::To(resize)),
                Err(e) => Err(format!("{e}; exact, short:N, WxH, letterbox:WxH and none may be")),
            },
        }
    }
}

impl TryFrom<String> for Scale {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The option.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct ScaleArgs {
    /// Scale pictures of another size: `exact` to the network's (also without HOW); when compiling also `short:N`, the
    /// shorter side to N pixels, `WxH`, of which the centre is taken, or `letterbox:WxH`, what fits into it in proportion,
    /// amid grey; `none` refuses them.
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "exact")]
    resize: Option<Scale>,
}

impl ScaleArgs {
    /// What was asked for.
    pub(crate) fn scale(self) -> Option<Scale> {
        self.resize
    }
}

/// `--resize HOW` as `--resize=HOW`: HOW may be left out, so that the next word is only meant if it says how.
pub(super) fn joined(args: Vec<OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::with_capacity(args.len());
    for arg in args {
        let how = arg.to_str().filter(|text| text.parse::<Scale>().is_ok());
        match (joined.last_mut(), how) {
            (Some(last), Some(how)) if last == "--resize" => *last = format!("--resize={how}").into(),
            _ => joined.push(arg),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_joined_if_it_says_how() {
        let joined = |line: &str| {
            let args = joined(line.split(' ').map(OsString::from).collect());
            args.into_iter().map(|a| a.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(joined("infer --resize short:72 x"), "infer --resize=short:72 x");
        assert_eq!(joined("infer --resize model.plan"), "infer --resize model.plan");
        assert_eq!(joined("infer --resize 8x8 exact"), "infer --resize=8x8 exact");
        assert_eq!(joined("short:3 --resize"), "short:3 --resize");
    }
}
