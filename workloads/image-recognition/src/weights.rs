//! Converts the published weights once: batch norm folded into the convolutions, names of our own, safetensors.
//!
//! Input names: `_conv_stem`, `_bn0`, `_blocks.N._expand_conv|_bn0|_depthwise_conv|_bn1|_project_conv|_bn2`,
//! `_conv_head`, `_bn1`, `_fc`. Folding: weight · γ/√(σ²+ε), bias β − μ·γ/√(σ²+ε), ε = 1e-3.

use crate::legacy_pytorch;
use continuum_workload_core::application::RunError;
use std::{collections::BTreeMap, path::Path};
use tch::{Kind, Tensor};

const EPSILON: f64 = 1e-3;
/// Inverted residual blocks of Lite0.
const BLOCKS: usize = 16;

/// Reads `source` (PyTorch's legacy format) and writes `target`; returns how many tensors that has.
pub fn convert(source: &Path, target: &Path) -> Result<usize, RunError> {
    let reading = format!("read weights `{}`", source.display());
    let bytes = std::fs::read(source).map_err(|e| RunError::other(reading.clone(), e))?;
    let state = legacy_pytorch::read(&bytes).map_err(|e| RunError::other(reading.clone(), e))?;
    let folded = fold(&state).map_err(|name| {
        RunError::other(
            reading,
            format!("`{name}` is missing; it has {} entries", state.len()),
        )
    })?;
    let entries: Vec<(&str, &Tensor)> = folded.iter().map(|(n, t)| (n.as_str(), t)).collect();
    Tensor::write_safetensors(&entries, target)
        .map_err(|e| RunError::other(format!("write weights `{}`", target.display()), e))?;
    Ok(folded.len())
}

fn fold(state: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>, String> {
    let mut out = BTreeMap::new();
    let mut pair = |target: String, conv: String, norm: String| -> Result<(), String> {
        let get = |name: String| {
            state
                .get(&name)
                .map(|t| t.to_kind(Kind::Double))
                .ok_or(name)
        };
        let weight = get(format!("{conv}.weight"))?;
        let gamma = get(format!("{norm}.weight"))?;
        let beta = get(format!("{norm}.bias"))?;
        let mean = get(format!("{norm}.running_mean"))?;
        let variance = get(format!("{norm}.running_var"))?;
        let scale = gamma / (variance + EPSILON).sqrt();
        let bias = beta - mean * &scale;
        let weight = weight * scale.view([-1, 1, 1, 1]);
        out.insert(
            format!("{target}.weight"),
            weight.to_kind(Kind::Float).contiguous(),
        );
        out.insert(
            format!("{target}.bias"),
            bias.to_kind(Kind::Float).contiguous(),
        );
        Ok(())
    };
    pair("stem".into(), "_conv_stem".into(), "_bn0".into())?;
    for n in 0..BLOCKS {
        let (from, to) = (format!("_blocks.{n}"), format!("blocks.{n}"));
        // The first block does not expand, and numbers its norms like the others.
        if state.contains_key(&format!("{from}._expand_conv.weight")) {
            pair(
                format!("{to}.expand"),
                format!("{from}._expand_conv"),
                format!("{from}._bn0"),
            )?;
        }
        pair(
            format!("{to}.depthwise"),
            format!("{from}._depthwise_conv"),
            format!("{from}._bn1"),
        )?;
        pair(
            format!("{to}.project"),
            format!("{from}._project_conv"),
            format!("{from}._bn2"),
        )?;
    }
    pair("head".into(), "_conv_head".into(), "_bn1".into())?;
    for (target, source) in [("fc.weight", "_fc.weight"), ("fc.bias", "_fc.bias")] {
        let tensor = state.get(source).ok_or_else(|| source.to_owned())?;
        out.insert(target.into(), tensor.to_kind(Kind::Float).contiguous());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_equals_convolution_then_norm() {
        let device = (Kind::Float, tch::Device::Cpu);
        let x = Tensor::randn([1, 3, 8, 8], device);
        let weight = Tensor::randn([4, 3, 3, 3], device);
        let (gamma, beta, mean) = (
            Tensor::randn([4], device),
            Tensor::randn([4], device),
            Tensor::randn([4], device),
        );
        let variance = Tensor::rand([4], device) + 0.5;
        let want = x
            .conv2d(&weight, None::<&Tensor>, [1, 1], [0, 0], [1, 1], 1)
            .batch_norm(
                Some(&gamma),
                Some(&beta),
                Some(&mean),
                Some(&variance),
                false,
                0.0,
                EPSILON,
                false,
            );
        let scale = &gamma / (&variance + EPSILON).sqrt();
        let bias = &beta - &mean * &scale;
        let have = x.conv2d(
            &(&weight * scale.view([-1, 1, 1, 1])),
            Some(&bias),
            [1, 1],
            [0, 0],
            [1, 1],
            1,
        );
        let difference = (want - have).abs().max().double_value(&[]);
        assert!(difference < 1e-4, "{difference}");
    }

    #[test]
    fn a_missing_tensor_is_named() {
        assert_eq!(fold(&BTreeMap::new()).unwrap_err(), "_conv_stem.weight");
    }
}
