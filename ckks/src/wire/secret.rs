//! Reading and writing the secret key.

use super::envelope::{self, Kind};
use crate::error::Result;
use crate::keys::SecretKey;
use crate::params::Parameters;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;
use zeroize::Zeroizing;

impl SecretKey {
    fn put(&self, out: &mut dyn Write) -> Result<()> {
        // One byte per coefficient: 0, 1, 2 for −1, 0, 1.
        let bytes: Zeroizing<Vec<u8>> =
            Zeroizing::new(self.coefficients().iter().map(|c| (c + 1) as u8).collect());
        Ok(out.write_all(&bytes)?)
    }

    /// The key as bytes, wiped when dropped.
    ///
    /// # Errors
    /// None in practice; the signature follows the other objects.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>> {
        // Reserved in full: growing would leave copies behind.
        let length = envelope::measure(&mut |w| self.put(w))?;
        let mut out = Zeroizing::new(Vec::with_capacity(length));
        envelope::write(Kind::SecretKey, self.parameters_id(), &mut *out, &mut |w| self.put(w))?;
        Ok(out)
    }

    /// Reads a key from bytes, which must hold nothing else.
    ///
    /// # Errors
    /// `Malformed`, `ParametersMismatch`.
    pub fn from_bytes(params: &Parameters, bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let key = Self::read_from(params, &mut rest)?;
        envelope::nothing_left(Kind::SecretKey, rest)?;
        Ok(key)
    }

    /// Writes the key to a stream.
    ///
    /// # Errors
    /// `Io`.
    pub fn write_to(&self, out: &mut impl Write) -> Result<()> {
        Ok(out.write_all(&self.to_bytes()?)?)
    }

    /// Reads a key from a stream.
    ///
    /// # Errors
    /// `Malformed`, `ParametersMismatch`, `Io`.
    pub fn read_from(params: &Parameters, input: &mut impl Read) -> Result<Self> {
        envelope::read(Kind::SecretKey, Some(params.id()), input, &mut |source| {
            source.expect(params.n())?;
            let mut bytes = Zeroizing::new(vec![0u8; params.n()]);
            source.fill(&mut bytes)?;
            if bytes.iter().any(|b| *b > 2) {
                return Err(source.malformed("coefficient is not ternary"));
            }
            let coefficients = Zeroizing::new(bytes.iter().map(|b| *b as i8 - 1).collect());
            Ok(Self::from_coefficients(params, coefficients))
        })
    }

    /// Creates the file `path`, readable by its owner only (mode 0600 on Unix), and writes the key.
    /// An existing file is not overwritten.
    ///
    /// # Errors
    /// `Io`, also if the file exists.
    pub fn write_file(&self, path: &Path) -> Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        self.write_to(&mut file)?;
        Ok(file.sync_all()?)
    }

    /// Reads a key written by [`SecretKey::write_file`].
    ///
    /// # Errors
    /// `Io`, `Malformed`, `ParametersMismatch`.
    pub fn read_file(params: &Parameters, path: &Path) -> Result<Self> {
        // A key file is exactly one envelope; the bound keeps a wrong file from being slurped.
        let limit = params.n() as u64 + 4096;
        let mut bytes = Zeroizing::new(Vec::with_capacity(limit as usize));
        std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        Self::from_bytes(params, &bytes)
    }
}
