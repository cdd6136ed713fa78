//! Generalised interleaved packing: the layouts that `assign-layout` gives to values.
//!
//! A base tile of th×tw slots (powers of two) stays the same through a network. A map whose pixels are `step` slots
//! apart keeps that relation to the tile: a stride multiplies the step, an upsampling divides it, so that rotations
//! by a pixel offset mean the same everywhere. Step ≥ 1 (low resolution) leaves room between the pixels for
//! interleaved channels; step < 1 (high resolution) deals the pixels out to 1/step sub-channels per axis.

use fhec_ir::layout::{Axis, Factor, Layout};

/// Slots between neighbouring pixels, along y and x: a positive integer, or 1/g for a power of two g.
pub type Step = [f64; 2];

/// What the layouts of one network share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// Slots of a ciphertext.
    pub slots: usize,
    /// Rows and columns of the tile, powers of two, product at most `slots`.
    pub tile: [usize; 2],
}

impl Base {
    /// The tile that holds an H×W map at step 1, halved along the longer side until it fits a ciphertext.
    pub fn for_map(slots: usize, height: usize, width: usize) -> Self {
        let mut tile = [height.next_power_of_two(), width.next_power_of_two()];
        while tile[0] * tile[1] > slots {
            let longer = usize::from(tile[1] > tile[0]);
            tile[longer] /= 2;
        }
        Self { slots, tile }
    }

    /// Layout of a tensor: interleaved for [N, C, H, W] with more than one pixel, flat otherwise.
    pub fn layout(&self, shape: &[usize], step: Step) -> Layout {
        match *shape {
            [n, c, h, w] if h * w > 1 => self.interleaved([n, c, h, w], step),
            _ => self.flat(shape),
        }
    }

    /// The step at which a map [N, C, H, W] would fill the tile: for maps that do not descend from another map.
    pub(super) fn filling_step(&self, shape: &[usize]) -> Step {
        let along = |side: usize, extent: usize| {
            let extent = extent.next_power_of_two();
            if extent <= side { (side / extent) as f64 } else { 1.0 / (extent / side) as f64 }
        };
        [along(self.tile[0], shape[2]), along(self.tile[1], shape[3])]
    }

    fn interleaved(&self, [n, c, h, w]: [usize; 4], step: Step) -> Layout {
        let [th, tw] = self.tile;
        let y = Fit::new(step[0], h, th);
        let x = Fit::new(step[1], w, tw);
        let tile = th * tw;
        let subs = y.subs * x.subs;
        let tiles = c.div_ceil(y.room * x.room);
        let channel = vec![
            Factor { extent: x.room, stride: 1 },
            Factor { extent: y.room, stride: tw },
            Factor { extent: tiles, stride: subs * tile },
        ];
        let image = (tiles * subs).next_power_of_two() * tile;
        let axes = vec![
            Axis::strided(n, image),
            Axis { extent: c, factors: channel.into_iter().filter(|f| f.extent > 1 || c == 1).collect() },
            y.axis(h, tw, x.subs * tile),
            x.axis(w, 1, tile),
        ];
        self.filled(axes)
    }

    /// Row-major with every axis' stride rounded up to a power of two.
    pub fn flat(&self, shape: &[usize]) -> Layout {
        let mut stride = 1;
        let mut axes: Vec<Axis> = shape
            .iter()
            .rev()
            .map(|&d| {
                let axis = Axis::strided(d, stride);
                stride *= d.next_power_of_two();
                axis
            })
            .collect();
        axes.reverse();
        self.filled(axes)
    }

    /// The layout of these axes; what fits into half a ciphertext is repeated until the ciphertext is full.
    fn filled(&self, axes: Vec<Axis>) -> Layout {
        let reach: usize = axes.iter().map(|a| a.table().into_iter().max().unwrap_or(0)).sum();
        let mut period = (reach + 1).next_power_of_two();
        let mut replicas = Vec::new();
        while period < self.slots {
            replicas.push(Factor { extent: 2, stride: period });
            period *= 2;
        }
        Layout { slots: self.slots, ciphertexts: reach / self.slots + 1, axes, replicas }
    }
}

/// How the pixels of a map lie in slots: a base, and the step between neighbours in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Tile and slots.
    pub base: Base,
    /// Slots between pixels.
    pub step: Step,
}

impl Grid {
    /// The grid of a network's inputs.
    pub fn new(base: Base) -> Self {
        Self { base, step: [1.0; 2] }
    }

    /// Layout of a tensor.
    pub fn layout(&self, shape: &[usize]) -> Layout {
        self.base.layout(shape, self.step)
    }

    /// From `layout`, if it interleaves channels on this grid, to one where each channel has a small tile of its own:
    /// the layouts to go through, and the grid behind them. Channel differences become cyclic there, so that
    /// convolutions have fewer offsets: 3·3·C of a 3×3 kernel instead of (4t−1)²·C/t².
    ///
    /// The way there is a permutation of the digits of positions. In one map its offsets would multiply; so the first
    /// brings the columns of a row together, the second the rows.
    pub fn compacted(&self, layout: &Layout) -> Option<(Vec<Layout>, Self)> {
        let shape = layout.shape();
        let [_, channels, height, width] = shape[..] else { return None };
        let [rows, columns] = self.base.tile;
        let y = Fit::new(self.step[0], height, rows);
        let x = Fit::new(self.step[1], width, columns);
        let whole = [&y, &x].iter().all(|fit| fit.subs == 1 && fit.pitch == fit.room);
        if !whole || y.room * x.room == 1 || height * width == 1 || *layout != self.layout(&shape) {
            return None;
        }
        let short = columns / x.room;
        let digits =
            [(x.room, short), (y.room, columns), (channels.div_ceil(y.room * x.room), rows * columns)];
        let factors = digits.map(|(extent, stride)| Factor { extent, stride });
        let mut axes = layout.axes.clone();
        axes[1] = Axis { extent: channels, factors: factors.into_iter().filter(|f| f.extent > 1).collect() };
        if axes[1].factors.is_empty() {
            axes[1].factors.push(factors[2]);
        }
        axes[3] = Axis::strided(width, 1);
        let by_rows = self.base.filled(axes);
        let grid = Self::new(Base { slots: self.base.slots, tile: [rows / y.room, short] });
        let mut steps = vec![by_rows, grid.layout(&shape)];
        if steps[0].positions() == steps[1].positions() || steps[0] == *layout {
            steps.remove(0);
        }
        Some((steps, grid))
    }
}

/// One axis fitted into a tile side.
struct Fit {
    /// Slots between pixels of a sub-channel.
    pitch: usize,
    /// Channels interleaved between pixels, a power of two.
    room: usize,
    /// Sub-channels, a power of two.
    subs: usize,
}

impl Fit {
    fn new(step: f64, extent: usize, side: usize) -> Self {
        let mut pitch = (step.max(1.0) as usize).min(side);
        let room = |pitch: usize| if pitch.is_power_of_two() { pitch } else { pitch.next_power_of_two() / 2 };
        while pitch > 1 && (extent - 1) * pitch + room(pitch) > side {
            pitch = room(pitch - 1).max(1);
        }
        let mut subs = if step < 1.0 { ((1.0 / step).round() as usize).next_power_of_two() } else { 1 };
        while extent.div_ceil(subs) > side {
            subs *= 2;
        }
        Self { pitch, room: room(pitch), subs }
    }

    fn axis(&self, extent: usize, stride: usize, sub_stride: usize) -> Axis {
        if self.subs == 1 {
            return Axis::strided(extent, self.pitch * stride);
        }
        let rows = Factor { extent: extent.div_ceil(self.subs), stride };
        Axis { extent, factors: vec![Factor { extent: self.subs, stride: sub_stride }, rows] }
    }
}
