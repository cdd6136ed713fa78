//! Sliding windows: kernel attributes, automatic padding, pools.

use fhec_ir::ValueId;
use fhec_ir::tensor::{Pool, ReduceKind, TensorOp, Window};

use crate::builder::Builder;
use crate::call::{Call, Imported, Value, count};

/// A window's attributes for 1 or 2 spatial axes, completed to two.
pub(super) struct Geometry {
    pub(super) window: Window,
    /// The `auto_pad` attribute.
    pub(super) auto_pad: AutoPad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AutoPad {
    Explicit,
    Valid,
    SameUpper,
    SameLower,
}

fn pair(values: &[i64], rank: usize, what: &str, neutral: usize) -> Imported<[usize; 2]> {
    if values.len() != rank {
        return Err(format!("{what} has {} entries for {rank} spatial axes", values.len()));
    }
    let mut pair = [neutral; 2];
    for (k, &v) in values.iter().enumerate() {
        pair[k + 2 - rank] = count(v, what)?;
    }
    Ok(pair)
}

/// Reads the window attributes of a node whose operand has `rank` spatial axes.
pub(super) fn geometry(call: &Call, rank: usize, kernel: Option<&[usize]>) -> Imported<Geometry> {
    if !(1..=2).contains(&rank) {
        return Err(format!("{rank} spatial axes; only 1 and 2 are supported"));
    }
    let kernel = match (call.ints("kernel_shape"), kernel) {
        (Some(given), _) if !given.is_empty() => pair(given, rank, "kernel_shape", 1)?,
        (_, Some(weight)) => {
            let signed: Vec<i64> = weight.iter().map(|&k| k as i64).collect();
            pair(&signed, rank, "kernel", 1)?
        }
        _ => return Err("attribute kernel_shape is missing".into()),
    };
    let pair_of = |name: &str| match call.ints(name) {
        Some(given) if !given.is_empty() => pair(given, rank, name, 1),
        _ => Ok([1; 2]),
    };
    let (stride, dilation) = (pair_of("strides")?, pair_of("dilations")?);
    if stride.contains(&0) || dilation.contains(&0) || kernel.contains(&0) {
        return Err("kernels, strides and dilations start at 1".into());
    }
    let auto_pad = match call.string("auto_pad").unwrap_or("NOTSET") {
        "NOTSET" | "" => AutoPad::Explicit,
        "VALID" => AutoPad::Valid,
        "SAME_UPPER" => AutoPad::SameUpper,
        "SAME_LOWER" => AutoPad::SameLower,
        other => return Err(format!("auto_pad is {other:?}")),
    };
    let mut pads = [0; 4];
    if let (Some(given), AutoPad::Explicit) = (call.ints("pads"), auto_pad)
        && !given.is_empty()
    {
        if given.len() != 2 * rank {
            return Err(format!("{} pads for {rank} spatial axes", given.len()));
        }
        let begin = pair(&given[..rank], rank, "pads", 0)?;
        let end = pair(&given[rank..], rank, "pads", 0)?;
        pads = [begin[0], begin[1], end[0], end[1]];
    }
    Ok(Geometry { window: Window { kernel, stride, dilation, pads }, auto_pad })
}

/// Splits padding over both ends; the odd element goes where the mode says.
pub(super) fn distribute(total: usize, mode: AutoPad) -> [usize; 2] {
    let (small, large) = (total / 2, total - total / 2);
    if mode == AutoPad::SameLower { [large, small] } else { [small, large] }
}

impl Geometry {
    /// Kernel extent with dilation.
    pub(super) fn reach(&self, k: usize) -> Imported<usize> {
        let w = &self.window;
        (w.kernel[k] - 1)
            .checked_mul(w.dilation[k])
            .and_then(|r| r.checked_add(1))
            .ok_or_else(|| "the kernel is too large".into())
    }

    /// Fills in `SAME` padding for an image [H, W].
    pub(super) fn resolve(&mut self, image: [usize; 2]) -> Imported<()> {
        if matches!(self.auto_pad, AutoPad::SameUpper | AutoPad::SameLower) {
            for k in 0..2 {
                let out = image[k].div_ceil(self.window.stride[k]);
                let needed = (out.max(1) - 1) * self.window.stride[k] + self.reach(k)?;
                let [begin, end] = distribute(needed.saturating_sub(image[k]), self.auto_pad);
                self.window.pads[k] = begin;
                self.window.pads[k + 2] = end;
            }
        }
        Ok(())
    }
}

/// [N,C,L] as [N,C,1,L]; 4-D stays. Other ranks are refused.
pub(super) fn as_image(b: &mut Builder, x: ValueId) -> Imported<(ValueId, usize)> {
    match b.shape(x)[..] {
        [n, c, l] => Ok((b.reshape(x, &[n, c, 1, l])?, 1)),
        [_, _, _, _] => Ok((x, 2)),
        ref other => Err(format!("operand of shape {other:?}; only 1 and 2 spatial axes are supported")),
    }
}

/// Undoes [`as_image`].
pub(super) fn from_image(b: &mut Builder, y: ValueId, rank: usize) -> Imported<ValueId> {
    if rank == 2 {
        return Ok(y);
    }
    let s = b.shape(y).clone();
    b.reshape(y, &[s[0], s[1], s[3]])
}

pub(super) fn pool(b: &mut Builder, call: &Call) -> Imported {
    let max = call.proto.op_type == "MaxPool";
    if call.used.get(1) == Some(&true) {
        return Err("the positions of the maxima are not supported".into());
    }
    if call.int("storage_order").unwrap_or(0) != 0 {
        return Err("column-major storage order is not supported".into());
    }
    let x = b.node(call.value(0)?)?;
    let (x, rank) = as_image(b, x)?;
    let mut geometry = geometry(call, rank, None)?;
    let image = [b.shape(x)[2], b.shape(x)[3]];
    geometry.resolve(image)?;
    let ceil = call.flag("ceil_mode", false)?;
    let window = geometry.window;
    let mut out = [0; 2];
    for k in 0..2 {
        let padded = image[k]
            .checked_add(window.pads[k])
            .and_then(|e| e.checked_add(window.pads[k + 2]))
            .ok_or("padding is too large")?;
        let room = padded.checked_sub(geometry.reach(k)?).ok_or("the kernel does not fit the image")?;
        out[k] = if ceil { room.div_ceil(window.stride[k]) } else { room / window.stride[k] } + 1;
        // A last window that starts in the bottom or right padding is dropped (ONNX AveragePool-19).
        if ceil && (out[k] - 1) * window.stride[k] >= image[k] + window.pads[k] {
            out[k] -= 1;
        }
    }
    let kind = match (max, call.flag("count_include_pad", false)?) {
        (true, _) => Pool::Max,
        (false, true) => Pool::AveragePadded,
        (false, false) => Pool::Average,
    };
    let y = b.push(TensorOp::Pool { kind, window, out }, &[x])?;
    Ok(vec![Value::Node(from_image(b, y, rank)?)])
}

pub(super) fn global_pool(b: &mut Builder, call: &Call) -> Imported {
    let x = b.node(call.value(0)?)?;
    let rank = b.shape(x).len();
    if rank < 3 {
        return Err(format!("operand of rank {rank}"));
    }
    if call.proto.op_type == "GlobalAveragePool" {
        let reduce = TensorOp::Reduce { kind: ReduceKind::Mean, axes: (2..rank).collect(), keep: true };
        return Ok(vec![Value::Node(b.push(reduce, &[x])?)]);
    }
    let (x, rank) = as_image(b, x)?;
    let kernel = [b.shape(x)[2], b.shape(x)[3]];
    let window = Window { kernel, stride: [1, 1], dilation: [1, 1], pads: [0; 4] };
    let y = b.push(TensorOp::Pool { kind: Pool::Max, window, out: [1, 1] }, &[x])?;
    Ok(vec![Value::Node(from_image(b, y, rank)?)])
}
