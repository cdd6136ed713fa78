//! The coefficients of a scan (ITU-T T.81, annexes F and G).

use super::frame::{Component, Frame, ZIGZAG};
use super::huffman::{Bits, TRUNCATED, Table};

/// A component of a scan, and the codes of its coefficients.
pub(super) struct Chosen<'t> {
    pub component: usize,
    pub dc: Option<&'t Table>,
    pub ac: Option<&'t Table>,
}

/// Which coefficients a scan has, and which of their bits.
#[derive(Clone, Copy)]
pub(super) struct Band {
    pub from: usize,
    pub to: usize,
    /// The bit before the lowest one that is known already; 0 if none is.
    pub high: u8,
    /// The lowest bit that is known behind the scan.
    pub low: u8,
}

impl Band {
    /// Whether such a scan may be.
    pub(super) fn is_valid(self, progressive: bool, components: usize) -> bool {
        let Self { from, to, high, low } = self;
        let order = from <= to && to < 64 && low <= 13 && (high == 0 || high == low + 1);
        let split = !progressive || (if from == 0 { to == 0 } else { components == 1 });
        order && split && components <= 4
    }
}

/// What carries over from one block to the next.
#[derive(Default)]
struct State {
    /// The last DC coefficient of each component.
    last: [i32; 4],
    /// Blocks whose band has ended.
    ended: u32,
}

/// Decodes a scan; returns the number of bytes up to the marker behind it.
pub(super) fn decode(
    frame: &mut Frame,
    chosen: &[Chosen],
    band: Band,
    restart: usize,
    data: &[u8],
) -> Result<usize, String> {
    let (mut bits, mut state, progressive) = (Bits::new(data), State::default(), frame.progressive);
    let alone = chosen.len() == 1;
    let most = frame.most_factors();
    // A component alone has the blocks that its samples need, several have whole MCUs.
    let [columns, rows] = match chosen {
        [one] => frame.components[one.component].size.map(|n| n.div_ceil(8)),
        _ => [frame.width.div_ceil(8 * most[0]), frame.height.div_ceil(8 * most[1])],
    };
    for unit in 0..rows * columns {
        if restart > 0 && unit > 0 && unit.is_multiple_of(restart) {
            bits.restart(unit / restart - 1)?;
            state = State::default();
        }
        let (row, column) = (unit / columns, unit % columns);
        for (k, part) in chosen.iter().enumerate() {
            let component = &mut frame.components[part.component];
            let [h, v] = if alone { [1, 1] } else { component.factors };
            for (y, x) in (0..v).flat_map(|y| (0..h).map(move |x| (y, x))) {
                let block = block(component, row * v + y, column * h + x);
                if progressive {
                    refine(block, &mut bits, part, band, (&mut state, k))?;
                } else {
                    sequential(block, &mut bits, part, &mut state.last[k])?;
                }
            }
        }
    }
    Ok(bits.end())
}

fn block(component: &mut Component, row: usize, column: usize) -> &mut [i16] {
    let start = 64 * (row * component.blocks[0] + column);
    &mut component.coefficients[start..start + 64]
}

fn dc(bits: &mut Bits, part: &Chosen, last: &mut i32) -> Result<i32, String> {
    let size = bits.symbol(part.dc.ok_or(TRUNCATED)?)?;
    if size > 15 {
        return Err(TRUNCATED.into());
    }
    *last = last.wrapping_add(bits.signed(size)?);
    Ok(*last)
}

/// A block of a baseline or extended file.
fn sequential(block: &mut [i16], bits: &mut Bits, part: &Chosen, last: &mut i32) -> Result<(), String> {
    block[0] = dc(bits, part, last)? as i16;
    let table = part.ac.ok_or(TRUNCATED)?;
    let mut k = 1;
    while k < 64 {
        let symbol = bits.symbol(table)?;
        let (zeros, size) = (usize::from(symbol >> 4), symbol & 15);
        match (zeros, size) {
            (15, 0) => k += 16,
            (_, 0) => break,
            _ => {
                k += zeros;
                *place(block, k)? = bits.signed(size)? as i16;
                k += 1;
            }
        }
    }
    Ok(())
}

fn place(block: &mut [i16], k: usize) -> Result<&mut i16, String> {
    ZIGZAG.get(k).and_then(|&at| block.get_mut(at)).ok_or_else(|| TRUNCATED.into())
}

/// What a progressive scan adds to a block.
fn refine(
    block: &mut [i16],
    bits: &mut Bits,
    part: &Chosen,
    band: Band,
    (state, component): (&mut State, usize),
) -> Result<(), String> {
    let unit = 1i16 << band.low;
    match (band.from, band.high) {
        (0, 0) => block[0] = (dc(bits, part, &mut state.last[component])? << band.low) as i16,
        (0, _) => {
            if bits.bit()? {
                block[0] |= unit;
            }
        }
        (_, 0) => first(block, bits, part, band, &mut state.ended)?,
        _ => again(block, bits, part, band, &mut state.ended)?,
    }
    Ok(())
}

/// The upper bits of the coefficients of a band.
fn first(
    block: &mut [i16],
    bits: &mut Bits,
    part: &Chosen,
    band: Band,
    ended: &mut u32,
) -> Result<(), String> {
    if *ended > 0 {
        *ended -= 1;
        return Ok(());
    }
    let table = part.ac.ok_or(TRUNCATED)?;
    let mut k = band.from;
    while k <= band.to {
        let symbol = bits.symbol(table)?;
        let (zeros, size) = (symbol >> 4, symbol & 15);
        match (zeros, size) {
            (15, 0) => k += 16,
            (_, 0) => {
                *ended = (1 << zeros) - 1 + bits.number(zeros)? as u32;
                break;
            }
            _ => {
                k += usize::from(zeros);
                *place(block, k)? = (bits.signed(size)? << band.low) as i16;
                k += 1;
            }
        }
    }
    Ok(())
}

/// One bit more of the coefficients of a band, and those that were zero without it.
fn again(
    block: &mut [i16],
    bits: &mut Bits,
    part: &Chosen,
    band: Band,
    ended: &mut u32,
) -> Result<(), String> {
    let unit = 1i16 << band.low;
    let mut k = band.from;
    if *ended == 0 {
        let table = part.ac.ok_or(TRUNCATED)?;
        while k <= band.to {
            let symbol = bits.symbol(table)?;
            let (zeros, size) = (symbol >> 4, symbol & 15);
            let mut new = 0;
            if size > 0 {
                new = if bits.bit()? { unit } else { -unit };
            } else if zeros < 15 {
                *ended = (1 << zeros) + bits.number(zeros)? as u32;
                break;
            }
            let mut left = zeros;
            while k <= band.to {
                let coefficient = place(block, k)?;
                if *coefficient != 0 {
                    correct(coefficient, bits, unit)?;
                } else if left == 0 {
                    *coefficient = new;
                    break;
                } else {
                    left -= 1;
                }
                k += 1;
            }
            k += 1;
        }
    }
    if *ended > 0 {
        while k <= band.to {
            let coefficient = place(block, k)?;
            if *coefficient != 0 {
                correct(coefficient, bits, unit)?;
            }
            k += 1;
        }
        *ended -= 1;
    }
    Ok(())
}

/// The next bit of a coefficient whose upper ones are known.
fn correct(coefficient: &mut i16, bits: &mut Bits, unit: i16) -> Result<(), String> {
    if bits.bit()? && *coefficient & unit == 0 {
        *coefficient = coefficient.wrapping_add(if *coefficient >= 0 { unit } else { -unit });
    }
    Ok(())
}
