//! Small networks of the large kinds, a depthwise one, a U-Net, a dense one and a detector: compiled with bootstraps on a small
//! ring without security, run, and compared with the network in clear.

#[allow(dead_code, reason = "not all layers are for all networks")]
#[path = "common/networks.rs"]
mod networks;
#[allow(dead_code, reason = "random networks are for others")]
#[path = "common/small_ring.rs"]
mod small_ring;

use fhec::ir::Verified;
use fhec::ir::tensor::TensorGraph;
use networks::{Net, Outcome};

/// A polynomial that shrinks what is large.
const ACTIVATION: [f64; 3] = [0.1, 0.5, 0.15];

fn activated(net: Net) -> Net {
    net.poly(&ACTIVATION, "act")
}

/// Compiles and runs; a few bootstraps at least.
fn check(network: &Verified<TensorGraph>) {
    match small_ring::check(network) {
        Ok((Outcome::Right(ratio), bootstraps)) => {
            assert!(bootstraps >= 2, "{bootstraps} bootstraps");
            assert!(ratio <= 1.0, "{ratio} of what was promised");
        }
        Ok((Outcome::Wrong(error, promised), _)) => panic!("{error:e} off, {promised:e} promised"),
        Ok((Outcome::Refused(why), _)) => panic!("{why}"),
        Err(refusal) => panic!("{refusal}"),
    }
}

#[test]
fn depthwise() {
    let mut net = activated(Net::new(2, [8, 8], 1).conv(4, 2, 0.3));
    for channels in [6, 4] {
        net = activated(activated(net.depthwise(1, 0.4)).conv(channels, 1, 0.15));
    }
    check(&net.mean().network());
}

#[test]
fn u_net() {
    let net = activated(Net::new(1, [8, 8], 2).conv(2, 1, 0.3));
    let fine = net.last();
    let net = activated(net.pool([2, 2]).conv(4, 1, 0.2));
    let coarse = net.last();
    let net = activated(net.pool([2, 2]).conv(4, 1, 0.15)).upsample().concat(coarse);
    let net = activated(net.conv(2, 1, 0.1)).upsample().concat(fine);
    check(&activated(net.conv(2, 1, 0.2)).conv(1, 1, 0.3).network());
}

#[test]
fn dense() {
    let mut net = Net::new(2, [6, 6], 3).conv(2, 1, 0.3);
    for _ in 0..3 {
        let before = net.last();
        net = activated(net).conv(2, 1, 0.2).concat(before);
    }
    check(&activated(net).mean().network());
}

#[test]
fn detector() {
    let net = activated(Net::new(1, [16, 16], 4).conv(2, 2, 0.3));
    let net = activated(net.conv(4, 1, 0.2));
    let fine = net.last();
    let net = activated(net.conv(4, 2, 0.15));
    let coarse = net.last();
    let net = net.conv(3, 1, 0.2).output("coarse").from(coarse);
    let net = activated(net.upsample().concat(fine).conv(4, 1, 0.12));
    check(&net.conv(3, 1, 0.2).output("fine").verified());
}
