package scenarios

// compare reads how configurations are compared.
func (b *builder) compare() {}
