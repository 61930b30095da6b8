package scenarios

// cost reads what an hour of the server costs.
func (b *builder) cost() {}
