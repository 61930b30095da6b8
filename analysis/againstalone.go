package analysis

import "slices"

// An AgainstAlone is a configuration, or a step of levels of one, that only one of two
// runs has.
type AgainstAlone struct {
	Config string `json:"configuration"`
	// Step is the name of the step, empty of a whole configuration, and Load the load of
	// every service in it.
	Step string `json:"step,omitempty"`
	Load string `json:"load,omitempty"`
	// Run is the index of the run that is set against the first. Gone says that the first
	// has it and this one has not; else it is the other way round.
	Run  int  `json:"run"`
	Gone bool `json:"gone,omitempty"`
	// Measured says that the run that has it tells a figure of it.
	Measured bool `json:"measured,omitempty"`
}

// alone lists what only one of two runs has.
func (p runPair) alone() []AgainstAlone {
	return append(p.missing(p.first, p.other, true), p.missing(p.other, p.first, false)...)
}

// missing lists what one run has, and the other has not.
func (p runPair) missing(has, lacks *Summary, gone bool) []AgainstAlone {
	var list []AgainstAlone
	names := configsOf(lacks.Cells)
	for _, config := range configsOf(has.Cells) {
		cells := cellsOf(has.Cells, config)
		if !slices.Contains(names, config) {
			list = append(list, AgainstAlone{Config: config, Run: p.run, Gone: gone, Measured: measured(cells, config, has.raced())})
			continue
		}
		_, steps, _ := p.pairSteps(levelSteps(cells), levelSteps(cellsOf(lacks.Cells, config)))
		for _, s := range steps {
			list = append(list, AgainstAlone{
				Config: config, Step: s.name, Load: s.load, Run: p.run, Gone: gone, Measured: tells(figuresAt(cells, s.index), config),
			})
		}
	}
	return list
}

// measured reports whether a configuration has a figure in any step of levels, or a
// capacity.
func measured(cells []Cell, config string, race bool) bool {
	capacity, _ := capacitiesOf(cells, race)
	return tells([]*measure{capacity}, config) ||
		slices.ContainsFunc(levelSteps(cells), func(s levelStep) bool { return tells(figuresAt(cells, s.index), config) })
}

// tells reports whether any of the figures has a reading of a configuration.
func tells(figures []*measure, config string) bool {
	return slices.ContainsFunc(figures, func(m *measure) bool { return len(m.by[config]) > 0 })
}
