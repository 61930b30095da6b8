package main

import "fmt"

// A swept is a scenario of the classes that sweep: a detector of the simulated server over
// two layouts with MPS daemons that are applied and put back, two steps each.
type swept struct {
	name           string
	scale          int
	services       string // more of them
	warmup, window string
	replicates     int
}

func (s swept) yaml() string {
	return fmt.Sprintf(`version: 1
name: %s
server:
  backend: {kind: sim, server: pro6000x1, scale: %d}
  gpus: ["0"]
  allow: [layout, mode, mps]
services:
  eyes:
    role: vision
    launcher: sim
    endpoint: torchserve
    models: {omdet: {workers: 1}}
    workload:
      kind: vision
      images: {width: 320, height: 180, kilobytes: 20, count: 2}
      classes: [{name: omdet, model: omdet}]
    scrape: [torchserve]
    load: {arrivals: poisson, levels: [4, 6]}
%ssteps: {warmup: %s, window: %s}
collect: {every: 1s}
matrix:
  layout: ["off", "2x2g.48gb"]
  sharing: [mps]
replicates: %d
`, s.name, s.scale, s.services, s.warmup, s.window, s.replicates)
}
