package nvml

// computeProfiles lists the compute instances that a GPU instance with n compute
// slices and so many SMs can be cut into: 1 slice anywhere, 2 at even starts, 3
// at 0 and 4 but not in 4 slices, 4 at multiples of 4, and the whole (NVIDIA MIG
// User Guide, Getting Started with MIG, compute instances: nvidia-smi mig -lcip
// of 2g, 3g, 4g and 7g). one is the SMs of the card's smallest GPU instance; a
// cut's SMs are known only where the GPU instance has n times as many.
//
// Note: shares of the SMs would be wrong on cards whose slices are not alike:
// an H100's 1g has 16 SMs and its 7g 132, and what 1c.7g has is not published.
func computeProfiles(n, sms, one int) []ComputeProfile {
	var profiles []ComputeProfile
	for _, kind := range []struct{ slices, step, above int }{{1, 1, 1}, {2, 2, 2}, {3, 4, 4}, {4, 4, 4}} {
		if n <= kind.above {
			break
		}
		p := ComputeProfile{Slices: kind.slices}
		if sms == n*one {
			p.SMs = kind.slices * one
		}
		for start := 0; start+kind.slices <= n; start += kind.step {
			p.Placements = append(p.Placements, Placement{start, kind.slices})
		}
		profiles = append(profiles, p)
	}
	return append(profiles, ComputeProfile{Slices: n, SMs: sms, Placements: []Placement{{0, n}}})
}

// withCompute adds to profiles of one card what each can be cut into.
func withCompute(profiles []Profile) {
	one := 0
	for _, p := range profiles {
		if p.Slices == 1 && (one == 0 || p.SMs < one) {
			one = p.SMs
		}
	}
	for i, p := range profiles {
		profiles[i].Compute = computeProfiles(p.Slices, p.SMs, one)
	}
}

// fitsCompute reports whether a compute instance can be at a place within p.
func (p Profile) fitsCompute(at Placement) bool {
	for _, c := range p.Compute {
		for _, allowed := range c.Placements {
			if allowed == at {
				return true
			}
		}
	}
	return false
}

func overlap(a, b Placement) bool {
	return a.Start < b.Start+b.Size && b.Start < a.Start+a.Size
}
