package main

import (
	"slices"
	"sort"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

// observations makes the readings of a cell, one a second of each server and device, in
// the order of time.
func (l *loads) observations(devices []device.Device) []results.Observation {
	var names []string
	for name, done := range l.done {
		slices.Sort(done)
		names = append(names, name)
	}
	slices.Sort(names)
	var list []results.Observation
	for at := results.Offset(-3 * time.Second); at < l.at; at = at.Add(time.Second) {
		add := func(source string, of results.Subject, series, unit string, value float64) {
			list = append(list, results.Observation{At: at, Source: source, Subject: of, Series: series, Unit: unit, Value: value})
		}
		for _, name := range names {
			done := l.done[name]
			n := float64(sort.Search(len(done), func(i int) bool { return done[i] > at }))
			of := results.Subject{Kind: results.SubjectEndpoint, ID: name, Detail: "model"}
			source := "torchserve"
			if name[0] == 'a' {
				source = "vllm"
				add(source, of, "vllm:num_requests_running", "1", 8)
				add(source, of, "vllm:num_requests_waiting", "1", 2)
				add(source, of, "vllm:request_success_total", "1", n)
				add(source, of, "vllm:generation_tokens_total", "1", 40*n)
				add(source, of, "vllm:prompt_tokens_total", "1", 1250*n)
				add(source, of, "vllm:request_queue_time_seconds_sum", "s", queued.Seconds()*n)
				add(source, of, "vllm:request_queue_time_seconds_count", "1", n)
			} else {
				add(source, of, "torchserve:pending_requests", "1", 3)
			}
			add(source, of, results.SeriesReadSeconds, "s", 0.002)
			add(source, of, results.SeriesReadOK, "1", 1)
		}
		for _, d := range devices {
			of := results.Subject{Kind: results.SubjectGPU, ID: d.UUID}
			if d.Instance != nil {
				of = results.Subject{Kind: results.SubjectInstance, ID: d.UUID, GPU: d.GPU}
			}
			add("gpm", of, "gpm:span_seconds", "s", 1)
			add("gpm", of, "gpm:sm_active_ratio", "ratio", 0.6)
			add("gpm", of, "gpm:dram_active_ratio", "ratio", 0.4)
			add("nvml", of, "nvml:memory_used_bytes", "B", 24<<30)
		}
		card := results.Subject{Kind: results.SubjectGPU, ID: devices[0].GPU}
		add("nvml", card, "nvml:energy_joules", "J", 1e6+300*at.Seconds())
		add("nvml", card, "nvml:sm_clock_hertz", "Hz", 1.98e9)
		add("nvml", card, "nvml:temperature_celsius", "°C", 60)
		add("nvml", card, "nvml:clocks_event_reasons", "1", 0)
	}
	return list
}
