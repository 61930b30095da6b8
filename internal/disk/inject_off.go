//go:build !faultdisk

package disk

// injected is a fault of every Disk; nil in programs that people use.
var injected func(Op) error
