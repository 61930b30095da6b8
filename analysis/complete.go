package analysis

// Complete fills in what rests on the capacities of the cells as well as on their steps:
// contrasts, frontiers and costs. Whoever has completed the searches calls it, once.
func (s *Summary) Complete() {
	s.contrast()
	s.Frontiers = frontiers(s)
	s.Costs, s.Spent = costs(s), spent(s)
}
