//! Non-maximum suppression.

use super::detection::Detection;

/// Most boxes that are looked at, those of the highest scores.
const MAX_CANDIDATES: usize = 30_000;
/// Most boxes that stay.
pub const MAX_BOXES: usize = 1_000;

/// Of boxes of a class that overlap more than `iou` (intersection over union) only the one of the highest score stays, of
/// equal scores the first: [`MAX_BOXES`] at most, from the highest score on.
pub fn suppress(mut boxes: Vec<Detection>, iou: f64) -> Vec<Detection> {
    boxes.sort_by(|a, b| b.score.total_cmp(&a.score));
    boxes.truncate(MAX_CANDIDATES);
    let mut kept: Vec<Detection> = Vec::new();
    for candidate in boxes {
        if kept.len() == MAX_BOXES {
            break;
        }
        if !kept.iter().any(|k| k.class == candidate.class && k.iou(&candidate) > iou) {
            kept.push(candidate);
        }
    }
    kept
}
