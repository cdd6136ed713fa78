//! The segments of a file.

use super::frame::{Colours, Component, Frame, ZIGZAG};
use super::huffman::Table;
use super::scan;
use crate::memory::probe;

/// Most bytes of coefficients and samples.
const MAX_BYTES: usize = 1 << 29;
/// Most scans of a progressive file; encoders make about ten.
const MAX_SCANS: usize = 100;

/// What a file holds.
pub(super) struct Read {
    pub frame: Frame,
    pub exif: Option<Vec<u8>>,
}

/// What segments have said so far.
#[derive(Default)]
struct Reader {
    quantisers: [Option<[u16; 64]>; 4],
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    restart: usize,
    jfif: bool,
    /// The transform that Adobe's segment names.
    adobe: Option<u8>,
    exif: Option<Vec<u8>>,
    frame: Option<Frame>,
}

/// Reads a file to its end.
pub(super) fn read(bytes: &[u8], most: usize) -> Result<Read, String> {
    let mut reader = Reader::default();
    let (mut at, mut scans) = (2, 0);
    loop {
        // Fill bytes, and whatever lies between segments.
        while bytes.get(at).is_some_and(|b| *b != 0xff) {
            at += 1;
        }
        while bytes.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        // As libjpeg does, only what is needed of the picture must be there, not the mark of its end.
        let Some(&marker) = bytes.get(at + 1) else { break };
        at += 2;
        if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd8) {
            continue;
        }
        if marker == 0xd9 {
            break;
        }
        let length = bytes.get(at..at + 2).map(|l| usize::from(l[0]) << 8 | usize::from(l[1]));
        let segment = length.and_then(|l| bytes.get(at + 2..at + l.max(2))).ok_or("the JPEG is truncated")?;
        at += 2 + segment.len();
        if marker == 0xda {
            scans += 1;
            if scans > MAX_SCANS {
                return Err("the JPEG has too many scans".into());
            }
            at += reader.scan(segment, &bytes[at..])?;
        } else {
            reader.segment(marker, segment, most)?;
        }
    }
    let frame = reader.frame.filter(|f| f.components.iter().all(|c| c.quantisers.is_some()));
    Ok(Read { frame: frame.ok_or("the JPEG is truncated")?, exif: reader.exif })
}

impl Reader {
    fn segment(&mut self, marker: u8, segment: &[u8], most: usize) -> Result<(), String> {
        match marker {
            0xc0..=0xc2 => self.start(segment, marker == 0xc2, most),
            0xc4 => self.huffman(segment),
            0xdb => self.quantisation(segment),
            0xdd => {
                let interval = segment.first_chunk::<2>().ok_or("a damaged JPEG: restart interval")?;
                self.restart = u16::from_be_bytes(*interval).into();
                Ok(())
            }
            0xe0 => {
                self.jfif |= segment.starts_with(b"JFIF\0");
                Ok(())
            }
            0xe1 => {
                if let (None, Some(exif)) = (&self.exif, segment.strip_prefix(b"Exif\0\0")) {
                    self.exif = Some(exif.into());
                }
                Ok(())
            }
            0xee => {
                if segment.starts_with(b"Adobe") {
                    self.adobe = segment.get(11).copied();
                }
                Ok(())
            }
            // Lossless, hierarchical, arithmetic codes, heights that come later.
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcf | 0xdc => {
                Err("this kind of JPEG is not supported: save it as a baseline or progressive one".into())
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, segment: &[u8], progressive: bool, most: usize) -> Result<(), String> {
        let damaged = || "a damaged JPEG: its frame".to_string();
        let &[precision, h1, h0, w1, w0, count, ref rest @ ..] = segment else { return Err(damaged()) };
        if precision != 8 {
            return Err(format!("a JPEG of {precision} bits: only 8 are supported"));
        }
        let [height, width] = [[h1, h0], [w1, w0]].map(|x| usize::from(u16::from_be_bytes(x)));
        if self.frame.is_some() || height == 0 || width == 0 || rest.len() != 3 * usize::from(count) {
            return Err(damaged());
        }
        if height > most || width > most {
            return Err(format!("the picture is {height}×{width}, more than {most} pixels"));
        }
        let parts = rest.as_chunks::<3>().0;
        let factors: Vec<[usize; 2]> =
            parts.iter().map(|p| [p[1] >> 4, p[1] & 15].map(usize::from)).collect();
        if factors.iter().flatten().any(|f| !(1..=4).contains(f)) || parts.iter().any(|p| p[2] > 3) {
            return Err(damaged());
        }
        let largest = [0, 1].map(|k| factors.iter().map(|f| f[k]).max().unwrap_or(1));
        if factors.iter().any(|f| [0, 1].iter().any(|&k| largest[k] % f[k] != 0)) {
            return Err("a JPEG of sampling factors that do not divide each other is not supported".into());
        }
        let extents = [width, height];
        let component = |(part, factors): (&[u8; 3], &[usize; 2])| Component {
            id: part[0],
            factors: *factors,
            table: part[2].into(),
            size: [0, 1].map(|k| (extents[k] * factors[k]).div_ceil(largest[k])),
            blocks: [0, 1].map(|k| extents[k].div_ceil(8 * largest[k]) * factors[k]),
            coefficients: vec![],
            quantisers: None,
        };
        let mut components: Vec<Component> = parts.iter().zip(&factors).map(component).collect();
        let blocks: usize = components.iter().map(|c| c.blocks[0] * c.blocks[1]).sum();
        let samples = height * width * 2 * components.len();
        let bytes = blocks * 128 + samples;
        if bytes > MAX_BYTES {
            return Err("the picture is too large".into());
        }
        probe(bytes as u64).map_err(|e| e.to_string())?;
        let colours = self.colours(&components).ok_or_else(|| format!("a JPEG of {count} components"))?;
        for c in &mut components {
            c.coefficients = vec![0; 64 * c.blocks[0] * c.blocks[1]];
        }
        self.frame = Some(Frame { progressive, height, width, components, colours });
        Ok(())
    }

    /// As libjpeg guesses it.
    fn colours(&self, components: &[Component]) -> Option<Colours> {
        let ids: Vec<u8> = components.iter().map(|c| c.id).collect();
        Some(match (components.len(), self.adobe) {
            (1, _) => Colours::Grey,
            (3, _) if self.jfif => Colours::YCbCr,
            (3, Some(0)) => Colours::Rgb,
            (3, None) if ids == *b"RGB" => Colours::Rgb,
            (3, _) => Colours::YCbCr,
            (4, Some(2)) => Colours::Ycck,
            (4, _) => Colours::Cmyk,
            _ => return None,
        })
    }

    fn huffman(&mut self, mut segment: &[u8]) -> Result<(), String> {
        while let Some((&kind, rest)) = segment.split_first() {
            let (table, rest) = Table::read(rest)?;
            let tables = match kind >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err("a damaged JPEG: Huffman tables".into()),
            };
            *tables.get_mut(usize::from(kind & 15)).ok_or("a damaged JPEG: Huffman tables")? = Some(table);
            segment = rest;
        }
        Ok(())
    }

    fn quantisation(&mut self, mut segment: &[u8]) -> Result<(), String> {
        let damaged = "a damaged JPEG: quantisation tables";
        while let Some((&kind, rest)) = segment.split_first() {
            let width = match kind >> 4 {
                0 => 1,
                1 => 2,
                _ => return Err(damaged.into()),
            };
            let (numbers, rest) = rest.split_at_checked(64 * width).ok_or(damaged)?;
            let mut table = [0; 64];
            for (k, number) in numbers.chunks_exact(width).enumerate() {
                table[ZIGZAG[k]] = number.iter().fold(0, |n, &b| n << 8 | u16::from(b));
            }
            *self.quantisers.get_mut(usize::from(kind & 15)).ok_or(damaged)? = Some(table);
            segment = rest;
        }
        Ok(())
    }

    /// Decodes a scan; returns how many bytes of `data` it takes.
    fn scan(&mut self, segment: &[u8], data: &[u8]) -> Result<usize, String> {
        let damaged = || "a damaged JPEG: a scan".to_string();
        let frame = self.frame.as_mut().ok_or_else(damaged)?;
        let (&count, rest) = segment.split_first().ok_or_else(damaged)?;
        let (parts, last) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(damaged)?;
        let &[from, to, bits] = last else { return Err(damaged()) };
        let mut chosen = Vec::new();
        for &[id, tables] in parts.as_chunks::<2>().0 {
            let index = frame.components.iter().position(|c| c.id == id).ok_or_else(damaged)?;
            let [dc, ac] = [tables >> 4, tables & 15].map(usize::from);
            if chosen.iter().any(|c: &scan::Chosen| c.component == index) || dc > 3 || ac > 3 {
                return Err(damaged());
            }
            let component = &mut frame.components[index];
            if component.quantisers.is_none() {
                component.quantisers = Some(self.quantisers[component.table].ok_or_else(damaged)?);
            }
            let [dc, ac] = [self.dc[dc].as_ref(), self.ac[ac].as_ref()];
            chosen.push(scan::Chosen { component: index, dc, ac });
        }
        let mut band = scan::Band { from: from.into(), to: to.into(), high: bits >> 4, low: bits & 15 };
        if !frame.progressive {
            band = scan::Band { from: 0, to: 63, high: 0, low: 0 };
        }
        if chosen.is_empty() || !band.is_valid(frame.progressive, chosen.len()) {
            return Err(damaged());
        }
        scan::decode(frame, &chosen, band, self.restart, data)
    }
}
