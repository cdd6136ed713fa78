//! Huffman codes, and the bits of a scan.

/// Why a scan ends early.
pub(super) const TRUNCATED: &str = "the JPEG is truncated, or damaged";

/// A Huffman code.
pub(super) struct Table {
    /// By the next eight bits, the length and symbol of a code that short; length 0 for longer ones.
    short: [(u8, u8); 256],
    /// By length, one more than the last code.
    ends: [u32; 17],
    /// By length, what added to a code is its number.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// Reads a table; returns what follows it.
    pub(super) fn read(segment: &[u8]) -> Result<(Self, &[u8]), String> {
        let damaged = "a damaged JPEG: Huffman tables";
        let (counts, rest) = segment.split_at_checked(16).ok_or(damaged)?;
        let total = counts.iter().map(|&n| usize::from(n)).sum();
        let (symbols, rest) = rest.split_at_checked(total).filter(|_| total <= 256).ok_or(damaged)?;
        let mut table =
            Self { short: [(0, 0); 256], ends: [0; 17], offsets: [0; 17], symbols: symbols.into() };
        let (mut code, mut number) = (0u32, 0usize);
        for length in 1..=16 {
            table.offsets[length] = number as i32 - code as i32;
            for _ in 0..counts[length - 1] {
                if length <= 8 {
                    let first = (code as usize) << (8 - length);
                    let entries = table.short.get_mut(first..first + (1 << (8 - length))).ok_or(damaged)?;
                    entries.fill((length as u8, symbols[number]));
                }
                code += 1;
                number += 1;
            }
            if code > 1 << length {
                return Err(damaged.into());
            }
            table.ends[length] = code;
            code <<= 1;
        }
        Ok((table, rest))
    }
}

/// The bits of a scan, up to the next marker.
pub(super) struct Bits<'d> {
    data: &'d [u8],
    /// Next byte.
    at: usize,
    /// The next bits, the first one highest.
    window: u64,
    /// How many of them are there.
    count: u32,
}

impl<'d> Bits<'d> {
    pub(super) fn new(data: &'d [u8]) -> Self {
        Self { data, at: 0, window: 0, count: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 48 {
            let byte = match self.data.get(self.at..) {
                Some([0xff, 0x00, ..]) => {
                    self.at += 1;
                    0xff
                }
                Some([0xff, ..] | []) | None => return,
                Some([byte, ..]) => *byte,
            };
            self.at += 1;
            self.window |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    fn take(&mut self, n: u32) -> Result<u32, String> {
        if n == 0 {
            return Ok(0);
        }
        if self.count < n {
            self.fill();
            if self.count < n {
                return Err(TRUNCATED.into());
            }
        }
        let bits = (self.window >> (64 - n)) as u32;
        self.window <<= n;
        self.count -= n;
        Ok(bits)
    }

    /// The next bits, up to 16, as a number.
    pub(super) fn number(&mut self, bits: u8) -> Result<i32, String> {
        Ok(self.take(bits.into())? as i32)
    }

    /// The next bit.
    pub(super) fn bit(&mut self) -> Result<bool, String> {
        Ok(self.take(1)? == 1)
    }

    /// A number of so many bits with its sign (T.81, F.2.2.1).
    pub(super) fn signed(&mut self, bits: u8) -> Result<i32, String> {
        let number = self.number(bits)?;
        Ok(if bits > 0 && number < 1 << (bits - 1) { number - (1 << bits) + 1 } else { number })
    }

    /// The next symbol.
    pub(super) fn symbol(&mut self, table: &Table) -> Result<u8, String> {
        if self.count < 16 {
            self.fill();
        }
        let (length, symbol) = table.short[(self.window >> 56) as usize];
        if length > 0 {
            self.take(length.into())?;
            return Ok(symbol);
        }
        for length in 9..=16u32 {
            let code = (self.window >> (64 - length)) as u32;
            if code < table.ends[length as usize] {
                self.take(length)?;
                let number = code as i32 + table.offsets[length as usize];
                let symbol = usize::try_from(number).ok().and_then(|n| table.symbols.get(n));
                return symbol.copied().ok_or_else(|| TRUNCATED.into());
            }
        }
        Err(TRUNCATED.into())
    }

    /// Passes over a restart marker; what is left of the bits before it is padding.
    pub(super) fn restart(&mut self, number: usize) -> Result<(), String> {
        self.at = self.end();
        match self.data.get(self.at..) {
            Some([0xff, marker, ..]) if usize::from(*marker) == 0xd0 + number % 8 => {
                self.at += 2;
                (self.window, self.count) = (0, 0);
                Ok(())
            }
            _ => Err(TRUNCATED.into()),
        }
    }

    /// Where the marker behind the bits is.
    pub(super) fn end(&self) -> usize {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let marker = rest.windows(2).position(|w| w[0] == 0xff && w[1] != 0 && w[1] != 0xff);
        self.at + marker.unwrap_or(rest.len())
    }
}
