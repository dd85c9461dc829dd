//! Commands that need libtorch.

use anyhow::Context;
use continuum_image_recognition::{WEIGHTS_FILE, efficientnet, photo, weights};
use std::path::PathBuf;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Fold the published weights and write them as safetensors
    ConvertWeights {
        /// State dictionary in PyTorch's legacy format
        source: PathBuf,
        /// Where to write
        target: PathBuf,
    },
    /// Classify photos and print the best five classes of each
    Classify {
        /// Unpacked workload bundle
        #[arg(long)]
        bundle: PathBuf,
        /// JPEG files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Time the network on this machine, one thread, beside a matrix product of as much work, as JSON
    Time {
        /// Unpacked workload bundle
        #[arg(long)]
        bundle: PathBuf,
        /// Runs that are timed, after ten that are not
        #[arg(long, default_value_t = 100)]
        count: u32,
    },
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::ConvertWeights { source, target } => {
            let tensors = weights::convert(&source, &target)?;
            println!("{tensors} tensors written to {}", target.display());
        }
        Command::Classify { bundle, files } => {
            let net = efficientnet::EfficientNetLite0::load(&bundle.join(WEIGHTS_FILE))?;
            for file in files {
                let jpeg =
                    std::fs::read(&file).with_context(|| format!("read `{}`", file.display()))?;
                let pixels =
                    photo::decode(&jpeg).with_context(|| format!("decode `{}`", file.display()))?;
                let (scores, classes) = net.forward(&pixels).topk(5, -1, true, true);
                println!("{}", file.display());
                for rank in 0..5 {
                    let class = classes.int64_value(&[0, rank]);
                    let score = scores.double_value(&[0, rank]);
                    println!(
                        "\t{score:8.6} - {class} {}",
                        efficientnet::label(class as u16)
                    );
                }
            }
        }
        Command::Time { bundle, count } => {
            let mut times = efficientnet::time_per_photo(&bundle.join(WEIGHTS_FILE), 10, count)?;
            times.sort_by(f64::total_cmp);
            let floor_ms = efficientnet::floor_ms_per_photo(count);
            let median_ms = times.get(times.len() / 2).copied().unwrap_or_default();
            let report = serde_json::json!({
                "median_ms": median_ms,
                "floor_ms": floor_ms,
                "ratio": median_ms / floor_ms,
                "min_ms": times.first(),
                "max_ms": times.last(),
                "count": times.len(),
                "threads": 1,
                "blas": efficientnet::loaded_blas(),
            });
            println!("{report}");
        }
    }
    Ok(())
}
