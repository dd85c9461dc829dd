//! Runs as they might have ended, for tests of reports.

use continuum_model::{ControllerTime, NodeRun, Phase, RunExit, RunPlan, StartedRun};
use continuum_workload_core::{
    event::Summary,
    photo_sample::Sample,
    spec::{Role, RunSpec, Sleep},
};

pub(super) fn run(node: &str, phase: Phase, samples: Vec<Sample>) -> NodeRun {
    let plan = RunPlan {
        id: format!("{node}-run"),
        node: node.into(),
        phase,
        spec: RunSpec {
            application: "image_classification".into(),
            node: node.into(),
            role: Role::Sleep(Sleep { sleep_s: 0.0 }),
        },
        cpu_cores: 1.0,
        memory_mib: 1,
        connected_to: (phase == Phase::Endpoint).then_some(0),
        own: None,
    };
    let mut run = NodeRun::new(
        plan,
        "id".into(),
        ControllerTime::default(),
        StartedRun::default(),
    );
    run.summary = Some(Summary {
        sent: samples.len() as u64,
        answered: samples.len() as u64,
        ..Summary::default()
    });
    run.exit = Some(RunExit {
        code: Some(0),
        ..RunExit::default()
    });
    run.samples = samples;
    run
}
