//! Asking the system for memory before work begins that cannot end without it.

use std::hint::black_box;

/// The system does not give so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is too little memory: {0} bytes are wanted")]
pub struct TooLittle(pub u64);

/// Asks for so many bytes and gives them back. Where they are refused, be it for a limit (`ulimit -v`) or for want of them, the
/// work itself would be the end of the process.
///
/// # Errors
/// If they are refused.
pub fn probe(bytes: u64) -> Result<(), TooLittle> {
    let mut asked = Vec::<u8>::new();
    let refused = usize::try_from(bytes).map_or(true, |n| asked.try_reserve_exact(n).is_err());
    // The request is made though nobody uses what it gives.
    black_box(&mut asked);
    if refused { Err(TooLittle(bytes)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{TooLittle, probe};

    #[test]
    fn what_nobody_has_is_refused() {
        assert_eq!(probe(0), Ok(()));
        assert_eq!(probe(1 << 20), Ok(()));
        assert_eq!(probe(1 << 60), Err(TooLittle(1 << 60)));
        assert_eq!(probe(u64::MAX), Err(TooLittle(u64::MAX)));
    }
}
