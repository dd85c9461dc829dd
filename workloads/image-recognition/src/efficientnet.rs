//! EfficientNet-Lite0 on `tch`, with batch norm folded into the convolutions.
//!
//! Architecture: Tan and Le, "EfficientNet" (2019), in the "lite" variant: no squeeze-excite, `ReLU6`, TensorFlow's
//! "same" padding (asymmetric at stride 2). Batch 1, 224 × 224, 32-bit floats, one thread.

use crate::{
    classifier::{Classifier, ClassifierFactory, Maker},
    photo::{Pixels, SIDE},
};
use continuum_workload_core::{application::RunError, header::Score};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};
use tch::{Kind, Tensor};

/// One row of the architecture: repeats, kernel, stride of the first, expansion, output channels.
struct Stage {
    repeats: usize,
    kernel: i64,
    stride: i64,
    expand: i64,
}

const STAGES: [Stage; 7] = [
    Stage {
        repeats: 1,
        kernel: 3,
        stride: 1,
        expand: 1,
    },
    Stage {
        repeats: 2,
        kernel: 3,
        stride: 2,
        expand: 6,
    },
    Stage {
        repeats: 2,
        kernel: 5,
        stride: 2,
        expand: 6,
    },
    Stage {
        repeats: 3,
        kernel: 3,
        stride: 2,
        expand: 6,
    },
    Stage {
        repeats: 3,
        kernel: 5,
        stride: 1,
        expand: 6,
    },
    Stage {
        repeats: 4,
        kernel: 5,
        stride: 2,
        expand: 6,
    },
    Stage {
        repeats: 1,
        kernel: 3,
        stride: 1,
        expand: 6,
    },
];

/// A convolution with its folded bias.
#[derive(Debug)]
struct Conv {
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    groups: i64,
    kernel: i64,
}

impl Conv {
    fn forward(&self, x: &Tensor) -> Tensor {
        let kernel = self.kernel;
        if self.stride == 1 {
            let pad = (kernel - 1) / 2;
            return x.conv2d(
                &self.weight,
                Some(&self.bias),
                [1, 1],
                [pad, pad],
                [1, 1],
                self.groups,
            );
        }
        // TensorFlow pads more at the end than at the beginning when the total is odd.
        let size = x.size();
        let pads = |length: i64| {
            let out = (length + self.stride - 1) / self.stride;
            let total = ((out - 1) * self.stride + kernel - length).max(0);
            (total / 2, total - total / 2)
        };
        let (top, bottom) = pads(size.get(2).copied().unwrap_or(0));
        let (left, right) = pads(size.get(3).copied().unwrap_or(0));
        channels_last(&x.constant_pad_nd([left, right, top, bottom])).conv2d(
            &self.weight,
            Some(&self.bias),
            [self.stride, self.stride],
            [0, 0],
            [1, 1],
            self.groups,
        )
    }
}

/// An inverted residual block.
#[derive(Debug)]
struct Block {
    expand: Option<Conv>,
    depthwise: Conv,
    project: Conv,
    residual: bool,
}

#[derive(Debug)]
pub struct EfficientNetLite0 {
    stem: Conv,
    blocks: Vec<Block>,
    head: Conv,
    fc_weight: Tensor,
    fc_bias: Tensor,
}

/// tch 0.19 has no call for memory formats: permuting, copying and permuting back gives the same layout.
fn channels_last(x: &Tensor) -> Tensor {
    x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

struct Weights {
    tensors: HashMap<String, Tensor>,
    path: String,
}

impl Weights {
    fn take(&mut self, name: &str) -> Result<Tensor, RunError> {
        self.tensors.remove(name).ok_or_else(|| {
            RunError::other(
                format!("read weights `{}`", self.path),
                format!("`{name}` is missing"),
            )
        })
    }

    fn conv(&mut self, name: &str, stride: i64, depthwise: bool) -> Result<Conv, RunError> {
        let weight = self.take(&format!("{name}.weight"))?;
        let bias = self.take(&format!("{name}.bias"))?;
        let size = weight.size();
        let [out, _, kernel, _] = size.as_slice() else {
            return Err(RunError::other(
                format!("read weights `{}`", self.path),
                format!("`{name}.weight` has {} dimensions instead of 4", size.len()),
            ));
        };
        Ok(Conv {
            weight: channels_last(&weight),
            bias,
            stride,
            groups: if depthwise { *out } else { 1 },
            kernel: *kernel,
        })
    }
}

impl EfficientNetLite0 {
    /// Reads weights as `weights.rs` writes them.
    pub fn load(path: &Path) -> Result<Self, RunError> {
        let reading = || format!("read weights `{}`", path.display());
        let tensors = Tensor::read_safetensors(path).map_err(|e| RunError::other(reading(), e))?;
        let mut weights = Weights {
            tensors: tensors.into_iter().collect(),
            path: path.display().to_string(),
        };
        let stem = weights.conv("stem", 2, false)?;
        let mut blocks = Vec::new();
        for stage in &STAGES {
            for repeat in 0..stage.repeats {
                let name = format!("blocks.{}", blocks.len());
                let stride = if repeat == 0 { stage.stride } else { 1 };
                let expand = if stage.expand == 1 {
                    None
                } else {
                    Some(weights.conv(&format!("{name}.expand"), 1, false)?)
                };
                let depthwise = weights.conv(&format!("{name}.depthwise"), stride, true)?;
                if depthwise.kernel != stage.kernel {
                    return Err(RunError::other(
                        reading(),
                        format!(
                            "kernel of `{name}` is {}, not {}",
                            depthwise.kernel, stage.kernel
                        ),
                    ));
                }
                let project = weights.conv(&format!("{name}.project"), 1, false)?;
                blocks.push(Block {
                    expand,
                    depthwise,
                    project,
                    residual: repeat > 0,
                });
            }
        }
        let head = weights.conv("head", 1, false)?;
        Ok(Self {
            stem,
            blocks,
            head,
            fc_weight: weights.take("fc.weight")?,
            fc_bias: weights.take("fc.bias")?,
        })
    }

    /// Probabilities of all classes for one photo: shape `[1, classes]`.
    pub fn forward(&self, pixels: &Pixels) -> Tensor {
        tch::no_grad(|| {
            let side = i64::from(SIDE);
            // Bytes come row by row with the channels last, which is the layout wanted anyway.
            let input = Tensor::from_slice(pixels.rgb())
                .view([1, side, side, 3])
                .to_kind(Kind::Float)
                .permute([0, 3, 1, 2]);
            let input = (input - 127.0) / 128.0;
            let mut x = relu6(self.stem.forward(&input));
            for block in &self.blocks {
                let mut y = match &block.expand {
                    Some(expand) => relu6(expand.forward(&x)),
                    None => x.shallow_clone(),
                };
                y = relu6(block.depthwise.forward(&y));
                y = block.project.forward(&y);
                x = if block.residual { y + x } else { y };
            }
            let x = relu6(self.head.forward(&x))
                .adaptive_avg_pool2d([1, 1])
                .flatten(1, -1);
            x.linear(&self.fc_weight, Some(&self.fc_bias))
                .softmax(-1, Kind::Float)
        })
    }
}

fn relu6(mut x: Tensor) -> Tensor {
    x.clamp_(0.0, 6.0)
}

/// Makes classifiers from one weights file.
#[derive(Debug)]
pub(crate) struct TorchFactory {
    weights: PathBuf,
}

impl TorchFactory {
    /// Weights as `weights.rs` writes them.
    pub(crate) fn new(weights: PathBuf) -> Self {
        Self { weights }
    }
}

impl ClassifierFactory for TorchFactory {
    fn maker(&self) -> Maker {
        let path = self.weights.clone();
        Box::new(move || {
            // One thread for each classifier; parallelism comes from having several.
            tch::set_num_threads(1);
            let mut classifier = TorchClassifier {
                net: EfficientNetLite0::load(&path)?,
            };
            // The first run plans its convolutions; no photo should pay for that.
            let grey = crate::photo::Pixels::grey();
            classifier.classify(&grey)?;
            Ok(Box::new(classifier))
        })
    }

    fn describe(&self) -> String {
        format!(
            "EfficientNet-Lite0, libtorch 2.6, BLAS {}",
            loaded_blas().unwrap_or("unknown")
        )
    }
}

#[derive(Debug)]
struct TorchClassifier {
    net: EfficientNetLite0,
}

impl Classifier for TorchClassifier {
    fn classify(&mut self, pixels: &Pixels) -> Result<Vec<Score>, RunError> {
        let failed = |e| RunError::other("run the network", e);
        let (probabilities, classes) = self
            .net
            .forward(pixels)
            .f_topk(5, -1, true, true)
            .map_err(failed)?;
        let probabilities = Vec::<f32>::try_from(probabilities.flatten(0, -1)).map_err(failed)?;
        let classes = Vec::<i64>::try_from(classes.flatten(0, -1)).map_err(failed)?;
        Ok(classes
            .into_iter()
            .zip(probabilities)
            .map(|(class, probability)| Score {
                class: class as u16,
                probability,
            })
            .collect())
    }
}

/// Which BLAS is mapped into this process: `openblas`, or `reference` (several times slower).
pub fn loaded_blas() -> Option<&'static str> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    // Debian's OpenBLAS also goes by the names libblas.so.3 and liblapack.so.3, so its own symbols decide:
    // the reference library is small and has no OpenMP or pthread pool of its own name.
    let is_openblas = maps.lines().any(|line| line.contains("openblas"));
    let has_blas = maps.lines().any(|line| line.contains("libblas"));
    match (is_openblas, has_blas) {
        (true, _) => Some("openblas"),
        (false, true) => Some("reference"),
        (false, false) => None,
    }
}

/// Name of an ImageNet class.
pub fn label(class: u16) -> &'static str {
    tch::vision::imagenet::CLASSES
        .get(usize::from(class))
        .copied()
        .unwrap_or("unknown class")
}

/// Multiplications and additions of one photo, as the network's paper counts them.
const MULTIPLY_ADDS_PER_PHOTO: f64 = 407e6;

/// Milliseconds that as many multiplications and additions take in one large matrix product: the floor, which no
/// network reaches on this machine. The best of `count`.
pub fn floor_ms_per_photo(count: u32) -> f64 {
    const SIDE: i64 = 512;
    tch::set_num_threads(1);
    let options = (tch::Kind::Float, tch::Device::Cpu);
    let (a, b) = (
        tch::Tensor::rand([SIDE, SIDE], options),
        tch::Tensor::rand([SIDE, SIDE], options),
    );
    let mut best = f64::INFINITY;
    for _ in 0..count {
        let begun = std::time::Instant::now();
        let product = a.matmul(&b);
        best = best.min(begun.elapsed().as_secs_f64() * 1000.0);
        drop(product);
    }
    best * MULTIPLY_ADDS_PER_PHOTO / (SIDE * SIDE * SIDE) as f64
}

/// Milliseconds per photo, decoding left out: median of `count` runs after `warm_up`.
pub fn time_per_photo(weights: &Path, warm_up: u32, count: u32) -> Result<Vec<f64>, RunError> {
    tch::set_num_threads(1);
    let net = EfficientNetLite0::load(weights)?;
    let pixels = Pixels::grey();
    let mut times = Vec::new();
    for run in 0..warm_up + count {
        let begun = std::time::Instant::now();
        let out = net.forward(&pixels);
        let _sum = out.double_value(&[0, 0]);
        if run >= warm_up {
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    Ok(times)
}
