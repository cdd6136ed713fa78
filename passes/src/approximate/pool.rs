//! Max-pools: maxima of two, one axis after the other.

use fhec_ir::tensor::bounds::Interval;
use fhec_ir::tensor::{TensorOp, Window};
use fhec_ir::{Node, ValueId};

use super::method::Method;
use super::report::Replacement;
use super::ties::zip;
use super::write::Writer;

impl Writer<'_> {
    /// Windows of k elements by ⌈log₂ k⌉ maxima of two, which overlap unless k is a power of two:
    /// m₅(i) = max(m₄(i), m₄(i+1)). All but the last are made at every position.
    pub(super) fn max_pool(
        &mut self,
        id: ValueId,
        node: &Node<TensorOp>,
        window: &Window,
    ) -> Result<ValueId, String> {
        let name = &node.name;
        let bounds = self.facts.bounds(self.graph, node.args[0])?;
        let fx = self.factor(node.args[0]);
        let fy = self.small_enough(node.args[0], self.factor(id));
        let method = self.facts.method(name).clone();
        let ratio = zip(&fy, &fx, |y, x| y / x);
        let mut x = self.affine(self.map[node.args[0].index()], &ratio, &[0.0], name);
        let image = self.shape(x);
        // Windows that reach beyond the padded image count what is inside only, as with more padding.
        let extent = |k: usize| {
            (node.ty[2 + k] - 1) * window.stride[k] + (window.kernel[k] - 1) * window.dilation[k] + 1
        };
        let after = [0, 1].map(|k| extent(k).saturating_sub(image[2 + k] + window.pads[k]));
        let padded = window.pads[0] > 0 || window.pads[1] > 0 || after != [0; 2];
        // Nothing is below 0 after this shift, so that padding with 0 never wins.
        let lowest: Vec<f64> = (0..fy.len()).map(|c| bounds.channel(c).lo.min(0.0) * fy[c]).collect();
        let shift = if padded { lowest } else { vec![0.0] };
        let negated: Vec<f64> = shift.iter().map(|s| 0.0 - s).collect();
        x = self.affine(x, &[1.0], &negated, name);
        if padded {
            let before = vec![0, 0, window.pads[0], window.pads[1]];
            let after = vec![0, 0, after[0], after[1]];
            let shape: Vec<usize> = (0..4).map(|k| image[k] + before[k] + after[k]).collect();
            let op = TensorOp::Pad { before, after, value: 0.0 };
            x = self.to.new.push(op, vec![x], shape, name.clone());
        }
        for axis in [3, 2] {
            x = self.along(x, axis, window, node, &method)?;
        }
        let reach = fy.iter().fold(0.0, |most: f64, f| most.max(1.0 / f));
        let rounds = window.kernel.map(|k| k.next_power_of_two().trailing_zeros()).iter().sum::<u32>();
        let report = Replacement::kinked(node, bounds.hull(), &method, reach);
        self.replaced.push(report.in_rounds(rounds, Interval::new(-reach, reach)));
        let up = zip(&self.factor(id), &fy, |y, f| y / f);
        let shift = zip(&shift, &up, |s, u| s * u);
        Ok(self.affine(x, &up, &shift, name))
    }

    fn along(
        &mut self,
        mut x: ValueId,
        axis: usize,
        window: &Window,
        node: &Node<TensorOp>,
        method: &Method,
    ) -> Result<ValueId, String> {
        let k = axis - 2;
        let (kernel, stride, dilation) = (window.kernel[k], window.stride[k], window.dilation[k]);
        let mut covered = 1;
        if kernel == 1 {
            return Ok(self.part(x, axis, 0, stride, node.ty[axis], &node.name));
        }
        while covered < kernel {
            let last = 2 * covered >= kernel;
            let name = format!(
                "{}/{}{}",
                node.name,
                if axis == 3 { "columns" } else { "rows" },
                (2 * covered).min(kernel)
            );
            let offset = if last { kernel - covered } else { covered } * dilation;
            let (step, out) = match last {
                true => (stride, node.ty[axis]),
                false => (1, self.shape(x)[axis] - offset),
            };
            let a = self.part(x, axis, 0, step, out, &name);
            let b = self.part(x, axis, offset, step, out, &name);
            let difference = self.binary(TensorOp::Sub, a, b, &format!("{name}/difference"));
            let relu = self.kinked(difference, (&[0.5], &[0.5], &[0.0]), method, &format!("{name}/relu"))?;
            x = self.binary(TensorOp::Add, b, relu, &name);
            covered = (2 * covered).min(kernel);
        }
        Ok(x)
    }

    /// Elements start, start + step, … of an axis.
    fn part(
        &mut self,
        x: ValueId,
        axis: usize,
        start: usize,
        step: usize,
        out: usize,
        name: &str,
    ) -> ValueId {
        let mut shape = self.shape(x);
        if start == 0 && step == 1 && out == shape[axis] {
            return x;
        }
        let (mut starts, mut steps) = (vec![0; shape.len()], vec![1; shape.len()]);
        (starts[axis], steps[axis], shape[axis]) = (start, step as isize, out);
        let op = TensorOp::Slice { start: starts, step: steps, out: shape.clone() };
        self.to.new.push(op, vec![x], shape, name.to_string())
    }
}
