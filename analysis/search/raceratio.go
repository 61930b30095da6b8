package search

import (
	"math"
)

// sideOf says on which side the best's lead over one of so many others lies, from the lead
// and its standard error in zones: 1 for apart, -1 for alike, 0 while that is not known. It
// is Wald's sequential test of the two ("Sequential Analysis", 1947, section 3), which needs
// the fewest blocks for the errors it allows: the logarithm of their likelihood ratio is
// held against two bounds after each block.
func sideOf(lead, se, enough float64, others int) int {
	ratio := (lead - (sameLead+clearLead)/2) * (clearLead - sameLead) / (se * se)
	switch {
	case ratio >= math.Log(1/leavesOutWrongly):
		return 1
	case ratio <= -math.Log(float64(others)/keepsWrongly):
		return -1
	case se > enough:
		return 0
	case ratio > 0:
		return 1
	}
	return -1
}

// differences gives log(a ÷ b) of the blocks before a replicate that both have.
func (r *Race) differences(a, b *racer, before int) []float64 {
	var list []float64
	for _, x := range a.blocks {
		for _, y := range b.blocks {
			if x.replicate == y.replicate && x.replicate < before {
				list = append(list, math.Log(x.capacity/y.capacity))
			}
		}
	}
	return list
}

// lead is the mean of log(a ÷ b) over the blocks that both have, since a replicate that is bad
// for all is no fault of the one that was measured in it; with fewer than two of them that of
// the two's own capacities.
func (r *Race) lead(a, b *racer) float64 {
	d := r.differences(a, b, r.replicates()+1)
	if len(d) < 2 {
		return math.Log(a.capacity() / b.capacity())
	}
	sum := 0.0
	for _, x := range d {
		sum += x
	}
	return sum / float64(len(d))
}

// standardError is that of the mean of a few differences, whose variance is shrunk
// towards what the probes' scatter and an assumed spread of deployments make one expect,
// with the weight of priorBlocks differences (Smyth, "Linear models and empirical Bayes
// methods", 2004): that of three alone is by chance often far too small.
func (r *Race) standardError(a, b *racer, d []float64) float64 {
	n := float64(len(d))
	mean, sum, expected := 0.0, 0.0, 0.0
	for _, x := range d {
		mean += x / n
	}
	for _, x := range d {
		sum += (x - mean) * (x - mean)
	}
	for _, x := range []*racer{a, b} {
		for _, k := range x.blocks {
			expected += k.spread * k.spread / float64(len(x.blocks))
		}
		expected += deployments * deployments
	}
	variance := (sum + priorBlocks*expected) / (n - 1 + priorBlocks)
	return math.Sqrt(variance / n)
}
