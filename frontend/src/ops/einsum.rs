//! `Einsum` of one or two operands: sums, transpositions and matrix products.

use fhec_ir::tensor::{ReduceKind, TensorOp, eval_op};

use super::{linear, product};
use crate::builder::Builder;
use crate::call::{Call, Imported, Value};
use crate::literal::Literal;

/// The axes of the operands and of the result, a letter each.
struct Equation {
    operands: Vec<Vec<char>>,
    out: Vec<char>,
}

fn parse(text: &str) -> Imported<Equation> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if text.contains('.') {
        return Err("an equation with an ellipsis is not supported; write its axes out".into());
    }
    let (left, right) = match text.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (&text[..], None),
    };
    let operands: Vec<Vec<char>> = left.split(',').map(|o| o.chars().collect()).collect();
    let count = |c: char| left.chars().filter(|&d| d == c).count();
    let out = match right {
        Some(right) => right.chars().collect(),
        // Letters that occur once, in alphabetical order.
        None => {
            let mut once: Vec<char> = left.chars().filter(|&c| c != ',' && count(c) == 1).collect();
            once.sort_unstable();
            once
        }
    };
    let repeats = |axes: &[char]| axes.iter().enumerate().any(|(k, c)| axes[..k].contains(c));
    if operands.iter().any(|o| repeats(o)) || repeats(&out) {
        return Err("an equation that names an axis of one operand twice is not supported".into());
    }
    if out.iter().any(|c| !left.contains(*c)) {
        return Err("the result has an axis that no operand has".into());
    }
    Ok(Equation { operands, out })
}

/// An operand on the way: its value and the letters of its axes.
struct Operand {
    value: Value,
    axes: Vec<char>,
}

impl Operand {
    fn extents(&self, b: &Builder, which: &[char]) -> Vec<usize> {
        let shape = b.shape_of(&self.value);
        let of = |c: &char| self.axes.iter().position(|a| a == c).map(|k| shape[k]);
        which.iter().filter_map(of).collect()
    }

    /// Sums over the axes that nothing else needs.
    fn reduced(&mut self, b: &mut Builder, needed: &[char]) -> Imported<()> {
        let axes: Vec<usize> = (0..self.axes.len()).filter(|&k| !needed.contains(&self.axes[k])).collect();
        if axes.is_empty() {
            return Ok(());
        }
        self.axes.retain(|c| needed.contains(c));
        self.apply(b, TensorOp::Reduce { kind: ReduceKind::Sum, axes, keep: false })
    }

    /// Brings the axes into the order of `which`, which names all of them.
    fn arranged(&mut self, b: &mut Builder, which: &[char]) -> Imported<()> {
        let perm: Vec<usize> = which.iter().filter_map(|c| self.axes.iter().position(|a| a == c)).collect();
        if perm.iter().enumerate().all(|(k, &p)| k == p) {
            return Ok(());
        }
        self.axes = which.to_vec();
        self.apply(b, TensorOp::Transpose { perm })
    }

    /// Constants are computed with now.
    fn apply(&mut self, b: &mut Builder, op: TensorOp) -> Imported<()> {
        self.value = match &self.value {
            Value::Node(x) => Value::Node(b.push(op, &[*x])?),
            Value::Const(c) => {
                b.spend(c.len())?;
                let result =
                    eval_op::<f64>(&[], &op, &[&fhec_ir::tensor::Tensor::from_constant(&c.to_constant())]);
                let result = result.to_constant();
                Value::Const(Literal::floats(result.shape, result.data).into())
            }
        };
        Ok(())
    }

    fn reshaped(&self, b: &mut Builder, shape: &[usize]) -> Imported<Value> {
        Ok(match &self.value {
            Value::Node(x) => Value::Node(b.reshape(*x, shape)?),
            Value::Const(c) => Value::Const(c.reshaped(shape.to_vec()).into()),
        })
    }
}

pub(super) fn einsum(b: &mut Builder, call: &Call) -> Imported {
    let equation = parse(call.string("equation").ok_or("the equation is missing")?)?;
    let values = call.inputs.iter().flatten().cloned();
    let mut operands: Vec<Operand> =
        values.zip(equation.operands.clone()).map(|(value, axes)| Operand { value, axes }).collect();
    if operands.len() != equation.operands.len() || operands.len() != call.inputs.len() {
        return Err(format!("{} operands for an equation of {}", call.inputs.len(), equation.operands.len()));
    }
    if operands.iter().any(|o| b.shape_of(&o.value).len() != o.axes.len()) {
        return Err("the equation does not fit the ranks of the operands".into());
    }
    let result = match &mut operands[..] {
        [x] => {
            x.reduced(b, &equation.out)?;
            x.arranged(b, &equation.out)?;
            x.value.clone()
        }
        [x, y] => contracted(b, x, y, &equation.out)?,
        _ => return Err("a sum of products of more than two operands is not supported".into()),
    };
    Ok(vec![Value::Node(b.node(&result)?)])
}

/// Two operands as matrices for every index of the axes that both share with the result.
fn contracted(b: &mut Builder, x: &mut Operand, y: &mut Operand, out: &[char]) -> Imported<Value> {
    x.reduced(b, &[&y.axes[..], out].concat())?;
    y.reduced(b, &[&x.axes[..], out].concat())?;
    let part = |of: &Operand, shared: bool, kept: bool, other: &Operand| -> Vec<char> {
        of.axes
            .iter()
            .copied()
            .filter(|c| other.axes.contains(c) == shared && out.contains(c) == kept)
            .collect()
    };
    let (batch, inner) = (part(x, true, true, y), part(x, true, false, y));
    let (rows, columns) = (part(x, false, true, y), part(y, false, true, x));
    if x.extents(b, &batch) != y.extents(b, &batch) || x.extents(b, &inner) != y.extents(b, &inner) {
        return Err("the extents of an axis that two operands share differ".into());
    }
    x.arranged(b, &[&batch[..], &rows, &inner].concat())?;
    y.arranged(b, &[&batch[..], &inner, &columns].concat())?;
    let shape = [x.extents(b, &batch), x.extents(b, &rows), y.extents(b, &columns)];
    let [batches, m, n] = [0, 1, 2].map(|k| shape[k].iter().product::<usize>());
    let k: usize = x.extents(b, &inner).iter().product();
    // One matrix without batches is the simplest product.
    let with =
        |sizes: [usize; 2]| if batch.is_empty() { sizes.to_vec() } else { vec![batches, sizes[0], sizes[1]] };
    let (left, right) = (x.reshaped(b, &with([m, k]))?, y.reshaped(b, &with([k, n]))?);
    let product = match (&left, &right) {
        (Value::Node(left), Value::Node(right)) => product::of_computed(b, *left, *right)?,
        (left, Value::Const(right)) => {
            let left = b.node(left)?;
            linear::right_product(b, left, right)?
        }
        (Value::Const(left), Value::Node(right)) => linear::left_product(b, left, *right)?,
    };
    let product = b.reshape(product, &shape.concat())?;
    let mut product = Operand { value: Value::Node(product), axes: [&batch[..], &rows, &columns].concat() };
    product.arranged(b, out)?;
    Ok(product.value)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn equations() {
        let e = parse("bij, bjk -> bik").unwrap();
        assert_eq!((e.operands[1].iter().collect::<String>(), e.out.len()), ("bjk".into(), 3));
        assert_eq!(parse("ij,jk").unwrap().out, ['i', 'k']);
        for refused in ["...ij->ij", "ii->i", "ij->k"] {
            assert!(parse(refused).is_err(), "{refused}");
        }
    }
}
