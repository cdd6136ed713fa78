//! Resize and Upsample: nearest as index tables, linear and cubic as small matrices per axis.

use fhec_ir::tensor::TensorOp;

use crate::builder::Builder;
use crate::call::{Call, Imported, Value, axis, count};

/// How an output position is mapped to the input, and how values there are weighted.
struct Spec<'a> {
    mode: &'a str,
    coordinates: &'a str,
    nearest: &'a str,
    cubic_a: f64,
    exclude_outside: bool,
    antialias: bool,
    extrapolation: f32,
}

/// One axis: extents, scale, region of interest.
struct Axis {
    from: usize,
    to: usize,
    scale: f64,
    roi: (f64, f64),
}

impl Spec<'_> {
    /// Position in the input of output `i`.
    fn position(&self, a: &Axis, i: usize) -> Imported<f64> {
        let (i, from, to) = (i as f64, a.from as f64, a.to as f64);
        Ok(match self.coordinates {
            "half_pixel" => (i + 0.5) / a.scale - 0.5,
            "pytorch_half_pixel" => {
                if a.to > 1 {
                    (i + 0.5) / a.scale - 0.5
                } else {
                    0.0
                }
            }
            "half_pixel_symmetric" => {
                // Adjusts for the output extent having been rounded down.
                let adjustment = to / (a.scale * from);
                let offset = from / 2.0 * (1.0 - adjustment);
                offset + (i + 0.5) / a.scale - 0.5
            }
            "align_corners" => {
                // The standard's extent is not rounded here.
                if a.to > 1 { i * (from - 1.0) / (a.scale * from - 1.0) } else { 0.0 }
            }
            "asymmetric" => i / a.scale,
            "tf_half_pixel_for_nn" => (i + 0.5) / a.scale,
            "tf_crop_and_resize" => {
                let (start, end) = a.roi;
                if a.to > 1 {
                    start * (from - 1.0) + i * (end - start) * (from - 1.0) / (to - 1.0)
                } else {
                    0.5 * (start + end) * (from - 1.0)
                }
            }
            other => return Err(format!("coordinate transformation {other:?}")),
        })
    }

    fn outside(&self, a: &Axis, x: f64) -> bool {
        self.coordinates == "tf_crop_and_resize" && (x < 0.0 || x > a.from as f64 - 1.0)
    }

    fn nearest(&self, a: &Axis, x: f64) -> Imported<usize> {
        let i = match self.nearest {
            "round_prefer_floor" => (x - 0.5).ceil(),
            "round_prefer_ceil" => (x + 0.5).floor(),
            "floor" => x.floor(),
            "ceil" => x.ceil(),
            other => return Err(format!("nearest mode {other:?}")),
        };
        Ok(i.clamp(0.0, a.from as f64 - 1.0) as usize)
    }

    /// Weights (position, weight) of output position `x`, before clamping to the image.
    fn taps(&self, a: &Axis, x: f64) -> Vec<(i64, f64)> {
        // Antialiasing stretches the filter when shrinking.
        let stretch = if self.antialias { a.scale.min(1.0) } else { 1.0 };
        let (support, kernel): (f64, Box<dyn Fn(f64) -> f64>) = if self.mode == "linear" {
            (1.0, Box::new(|t: f64| (1.0 - t.abs()).max(0.0)))
        } else {
            let c = self.cubic_a;
            let cubic = move |t: f64| {
                let t = t.abs();
                if t <= 1.0 {
                    ((c + 2.0) * t - (c + 3.0)) * t * t + 1.0
                } else if t < 2.0 {
                    ((c * t - 5.0 * c) * t + 8.0 * c) * t - 4.0 * c
                } else {
                    0.0
                }
            };
            (2.0, Box::new(cubic))
        };
        let radius = support / stretch;
        let first = (x - radius).floor() as i64;
        let last = (x + radius).ceil() as i64;
        let all = (first..=last).map(|p| (p, kernel((x - p as f64) * stretch)));
        all.filter(|t| t.1 != 0.0).collect()
    }

    /// The row-major [to, from] matrix.
    fn matrix(&self, a: &Axis) -> Imported<Vec<f32>> {
        let mut matrix = vec![0f32; a.to * a.from];
        for (i, row) in matrix.chunks_exact_mut(a.from).enumerate() {
            let x = self.position(a, i)?;
            if self.outside(a, x) {
                continue;
            }
            let mut taps = self.taps(a, x);
            let inside = |p: i64| (0..a.from as i64).contains(&p);
            if self.exclude_outside {
                taps.retain(|t| inside(t.0));
            }
            let total: f64 = taps.iter().map(|t| t.1).sum();
            for (p, w) in taps {
                row[p.clamp(0, a.from as i64 - 1) as usize] += (w / total) as f32;
            }
        }
        Ok(matrix)
    }
}

/// Output extents and scales per axis.
fn sizes(b: &Builder, call: &Call, x: &[usize], axes: &[usize]) -> Imported<Vec<(usize, f64)>> {
    let mut out: Vec<(usize, f64)> = x.iter().map(|&d| (d, 1.0)).collect();
    let upsample = call.proto.op_type == "Upsample";
    let old = call.opset < 11;
    let at = if upsample || old { 1 } else { 2 };
    let scales = match call.floats("scales") {
        Some(s) => Some(s.to_vec()),
        None => call.optional_literal(at, "scales")?.map(|s| s.to_floats().to_vec()),
    };
    if let Some(scales) = scales.filter(|s| !s.is_empty()) {
        if scales.len() != axes.len() {
            return Err(format!("{} scales for {} axes", scales.len(), axes.len()));
        }
        for (&k, &s) in axes.iter().zip(&scales) {
            let extent = (f64::from(s) * x[k] as f64 + 1e-9).floor();
            if !(s > 0.0 && (1.0..1e9).contains(&extent)) {
                return Err(format!("scale {s} of an axis of extent {}", x[k]));
            }
            out[k] = (extent as usize, f64::from(s));
        }
        return Ok(out);
    }
    let _ = b;
    let sizes = call.literal(3, "the size")?.to_ints()?;
    if sizes.len() != axes.len() {
        return Err(format!("{} sizes for {} axes", sizes.len(), axes.len()));
    }
    let ratio = |(&k, &s): (&usize, &i64)| s as f64 / x[k] as f64;
    let ratios = axes.iter().zip(&sizes).map(ratio);
    let common = match call.string("keep_aspect_ratio_policy").unwrap_or("stretch") {
        "stretch" => None,
        "not_larger" => Some(ratios.fold(f64::INFINITY, f64::min)),
        "not_smaller" => Some(ratios.fold(0.0, f64::max)),
        other => return Err(format!("aspect ratio policy {other:?}")),
    };
    for (&k, &s) in axes.iter().zip(&sizes) {
        let size = match common {
            Some(c) => (c * x[k] as f64).round() as usize,
            None => count(s, "the size")?,
        };
        if size == 0 {
            return Err("the size is 0".into());
        }
        out[k] = (size, common.unwrap_or(size as f64 / x[k] as f64));
    }
    Ok(out)
}

pub(super) fn resize(b: &mut Builder, call: &Call) -> Imported {
    let mut x = b.node(call.value(0)?)?;
    let shape = b.shape(x).clone();
    let axes = match call.ints("axes") {
        Some(given) => given.iter().map(|&a| axis(a, shape.len())).collect::<Imported<Vec<_>>>()?,
        None => (0..shape.len()).collect(),
    };
    let old = call.opset < 11 || call.proto.op_type == "Upsample";
    let mode = match call.string("mode").unwrap_or("nearest") {
        "nearest" => "nearest",
        "linear" | "bilinear" => "linear",
        "cubic" => "cubic",
        other => return Err(format!("mode {other:?}")),
    };
    let spec = Spec {
        mode,
        coordinates: if old {
            "asymmetric"
        } else {
            call.string("coordinate_transformation_mode").unwrap_or("half_pixel")
        },
        nearest: if old { "floor" } else { call.string("nearest_mode").unwrap_or("round_prefer_floor") },
        cubic_a: f64::from(call.float("cubic_coeff_a").unwrap_or(-0.75)),
        exclude_outside: call.flag("exclude_outside", false)?,
        antialias: call.flag("antialias", false)?,
        extrapolation: call.float("extrapolation_value").unwrap_or(0.0),
    };
    let roi = if spec.coordinates == "tf_crop_and_resize" {
        let roi = call.literal(1, "the region of interest")?.to_floats();
        if roi.len() != 2 * axes.len() {
            return Err(format!("a region of {} numbers for {} axes", roi.len(), axes.len()));
        }
        Some(roi)
    } else {
        None
    };
    let sizes = sizes(b, call, &shape, &axes)?;
    let mut outside: Vec<Vec<bool>> = Vec::new();
    for (i, &k) in axes.iter().enumerate() {
        let roi = roi.as_ref().map_or((0.0, 1.0), |r| (f64::from(r[i]), f64::from(r[i + axes.len()])));
        let a = Axis { from: shape[k], to: sizes[k].0, scale: sizes[k].1, roi };
        b.spend(a.to)?;
        let identity = a.from == a.to && a.scale == 1.0 && roi == (0.0, 1.0);
        if identity {
            continue;
        }
        let positions = (0..a.to).map(|i| spec.position(&a, i)).collect::<Imported<Vec<_>>>()?;
        let cropped: Vec<bool> = positions.iter().map(|&p| spec.outside(&a, p)).collect();
        let op = if mode == "nearest" {
            let indices = positions.iter().map(|&p| spec.nearest(&a, p)).collect::<Imported<Vec<_>>>()?;
            TensorOp::Gather { axis: k, indices }
        } else {
            b.spend(a.to.checked_mul(a.from).ok_or("the size is too large")?)?;
            TensorOp::Resample { axis: k, matrix: b.constant(&[a.to, a.from], spec.matrix(&a)?)? }
        };
        x = b.push(op, &[x])?;
        if cropped.contains(&true) {
            outside.resize(shape.len(), Vec::new());
            outside[k] = cropped;
        }
    }
    if !outside.is_empty() {
        x = fill_outside(b, x, &outside, spec.extrapolation)?;
    }
    Ok(vec![Value::Node(x)])
}

/// Overwrites what lies outside the cropped region: the product of 0/1 masks per axis, then the fill value.
fn fill_outside(
    b: &mut Builder,
    x: fhec_ir::ValueId,
    outside: &[Vec<bool>],
    value: f32,
) -> Imported<fhec_ir::ValueId> {
    let shape = b.shape(x).clone();
    let size: usize = shape.iter().product();
    b.spend(2 * size)?;
    let strides = fhec_ir::tensor::value::strides(&shape);
    let filled =
        |i: usize| (0..shape.len()).any(|k| outside[k].get(i / strides[k] % shape[k]).is_some_and(|&o| o));
    let mask: Vec<bool> = (0..size).map(filled).collect();
    let pick = |inside: f32, outside: f32| mask.iter().map(|&m| if m { outside } else { inside }).collect();
    let scale = b.constant(&shape, pick(1.0, 0.0))?;
    let shift = b.constant(&shape, pick(0.0, value))?;
    b.push(TensorOp::Affine { scale: Some(scale), shift: Some(shift) }, &[x])
}
