//! Matrix products of two computed values.

use fhec_ir::ValueId;
use fhec_ir::tensor::{ReduceKind, TensorOp};

use crate::builder::{Builder, broadcast, left_padded};
use crate::call::Imported;

/// Most products of elements that one matrix product may take: each has a slot of its own.
const MAX_PRODUCTS: usize = 1 << 20;

/// x·y for x [.., M, K] or [K] and y [.., K, N] or [K]: every element of x times every one of y that it meets, added up
/// over K. Two encrypted values have no cheaper form that keeps every sum in one place.
pub(super) fn of_computed(b: &mut Builder, x: ValueId, y: ValueId) -> Imported<ValueId> {
    let (xs, ys) = (b.shape(x).clone(), b.shape(y).clone());
    if xs.is_empty() || ys.is_empty() {
        return Err("a matrix product of a scalar".into());
    }
    let left = if xs.len() == 1 { vec![1, xs[0]] } else { xs.clone() };
    let right = if ys.len() == 1 { vec![ys[0], 1] } else { ys.clone() };
    let rank = left.len().max(right.len());
    let (left, right) = (left_padded(&left, rank), left_padded(&right, rank));
    let (m, k, n) = (left[rank - 2], left[rank - 1], right[rank - 1]);
    if right[rank - 2] != k {
        return Err(format!("product of shapes {xs:?} and {ys:?}"));
    }
    let batch = broadcast(&left[..rank - 2], &right[..rank - 2])?;
    let all = [&batch[..], &[m, k, n]].concat();
    let products = all.iter().try_fold(1usize, |product, &d| product.checked_mul(d));
    if products.is_none_or(|p| p > MAX_PRODUCTS) {
        return Err(format!(
            "a product of two values computed from the input, of shapes {xs:?} and {ys:?}, takes more than \
             {MAX_PRODUCTS} products of elements"
        ));
    }
    let x = b.reshape(x, &[&left[..], &[1]].concat())?;
    let x = b.expand(x, &all)?;
    let y = b.reshape(y, &[&right[..rank - 2], &[1, k, n]].concat())?;
    let y = b.expand(y, &all)?;
    let products = b.push(TensorOp::Mul, &[x, y])?;
    let sum = TensorOp::Reduce { kind: ReduceKind::Sum, axes: vec![rank - 1], keep: false };
    let sum = b.push(sum, &[products])?;
    let mut out = batch;
    out.extend((xs.len() > 1).then_some(m));
    out.extend((ys.len() > 1).then_some(n));
    b.reshape(sum, &out)
}
