package scenarios

// spikes reads the steps in which a service's load rises for a while.
func (b *builder) spikes() {}
