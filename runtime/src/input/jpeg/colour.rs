//! From components to grey or RGB (`jdcolor.c`; CMYK as Pillow converts it, by Adobe's convention that it is inverted).

use super::frame::Colours;

/// Bits of the constants of the conversion.
const BITS: u32 = 16;
const HALF: i32 = 1 << (BITS - 1);

/// Pixels of planes of equal length.
pub(super) fn converted(colours: Colours, planes: &[Vec<u8>]) -> Vec<u8> {
    let pixel = |k: usize| planes.iter().map(move |p| p[k]);
    let pixels = 0..planes.first().map_or(0, Vec::len);
    match colours {
        Colours::Grey => planes.concat(),
        Colours::Rgb => pixels.flat_map(pixel).collect(),
        Colours::YCbCr => pixels.flat_map(|k| rgb([planes[0][k], planes[1][k], planes[2][k]])).collect(),
        Colours::Cmyk => {
            let cmyk = |k: usize| without_black([planes[0][k], planes[1][k], planes[2][k]], planes[3][k]);
            pixels.flat_map(cmyk).collect()
        }
        Colours::Ycck => {
            let cmyk = |k: usize| {
                let inks = rgb([planes[0][k], planes[1][k], planes[2][k]]).map(|x| 255 - x);
                without_black(inks, planes[3][k])
            };
            pixels.flat_map(cmyk).collect()
        }
    }
}

fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let [y, cb, cr] = [i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128];
    let red = y + ((91881 * cr + HALF) >> BITS);
    let green = y + ((-22554 * cb - 46802 * cr + HALF) >> BITS);
    let blue = y + ((116130 * cb + HALF) >> BITS);
    [red, green, blue].map(|x| x.clamp(0, 255) as u8)
}

/// Inverted inks, of which 255 is none, as colours.
fn without_black(inks: [u8; 3], black: u8) -> [u8; 3] {
    inks.map(|ink| {
        let product = u32::from(255 - ink) * u32::from(black) + 128;
        black - (((product >> 8) + product) >> 8) as u8
    })
}
