//go:build cgo && linux

package nvml

import (
	"cmp"
	"fmt"
	"slices"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// Instances asks the driver for the instances of each profile.
func (l *Library) Instances(gpu string) ([]GPUInstance, error) {
	dev, ret := l.handle(gpu)
	if ret != Success {
		return nil, wrap(ret, "find %s", gpu)
	}
	mode, err := l.mode(dev)
	if err == nil && !mode.Supported {
		err = ErrNotSupported
	}
	if err != nil || !mode.Current {
		return nil, wrapErr(err, "list the instances of %s", gpu)
	}
	profiles, err := l.gpuProfiles(dev)
	if err != nil {
		return nil, wrapErr(err, "list the instances of %s", gpu)
	}
	var instances []GPUInstance
	for _, p := range profiles {
		handles, ret := dev.GetGpuInstances(p.room())
		if absent(ret) {
			continue
		}
		if ret != gonvml.SUCCESS {
			return nil, wrap(ret, "list the instances of %s with profile id %d", gpu, p.info.Id)
		}
		for _, h := range handles {
			i, err := l.readGPUInstance(h)
			if err != nil {
				return nil, wrapErr(err, "read an instance of %s with profile id %d", gpu, p.info.Id)
			}
			if !slices.ContainsFunc(instances, func(other GPUInstance) bool { return other.ID == i.ID }) {
				instances = append(instances, i)
			}
		}
	}
	slices.SortFunc(instances, func(a, b GPUInstance) int { return cmp.Compare(a.Placement.Start, b.Placement.Start) })
	return instances, nil
}

func wrapErr(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

func (l *Library) readGPUInstance(h gonvml.GpuInstance) (GPUInstance, error) {
	info, ret := h.GetInfo()
	if ret != gonvml.SUCCESS {
		return GPUInstance{}, wrap(ret, "GPU instance")
	}
	i := GPUInstance{
		ID: int(info.Id), ProfileID: int(info.ProfileId),
		Placement: Placement{int(info.Placement.Start), int(info.Placement.Size)},
	}
	infos, err := computeInfos(h)
	if err != nil {
		return GPUInstance{}, err
	}
	for _, p := range infos {
		handles, ret := h.GetComputeInstances(&p)
		if absent(ret) {
			continue
		}
		if ret != gonvml.SUCCESS {
			return GPUInstance{}, wrap(ret, "compute instances of GPU instance %d", i.ID)
		}
		for _, c := range handles {
			k, err := readComputeInstance(c, p)
			if err != nil {
				return GPUInstance{}, wrapErr(err, "compute instance of GPU instance %d", i.ID)
			}
			if !slices.ContainsFunc(i.Compute, func(other ComputeInstance) bool { return other.ID == k.ID }) {
				k.Special = l.special(h, infos, p)
				i.Compute = append(i.Compute, k)
			}
		}
	}
	slices.SortFunc(i.Compute, func(a, b ComputeInstance) int { return cmp.Compare(a.Placement.Start, b.Placement.Start) })
	return i, nil
}

// special tells whether another profile of so many slices comes before p and has
// places in the instance: nvml.h has 1_SLICE and 1_SLICE_REV1, 7_SLICE and 7_SLICE_NVL.
//
// Note: a profile that is listed may still be none of this instance, and then the
// driver tells no places for it; a driver without the call is not suspected.
func (l *Library) special(gi gonvml.GpuInstance, infos []gonvml.ComputeInstanceProfileInfo, p gonvml.ComputeInstanceProfileInfo) string {
	k := slices.IndexFunc(infos, func(o gonvml.ComputeInstanceProfileInfo) bool { return o.SliceCount == p.SliceCount })
	first := infos[k]
	if first.Id == p.Id || !l.has("nvmlGpuInstanceGetComputeInstancePossiblePlacements") {
		return ""
	}
	if places, ret := gi.GetComputeInstancePossiblePlacements(&first); ret != gonvml.SUCCESS || len(places) == 0 {
		return ""
	}
	return fmt.Sprintf("it is of the compute profile with id %d, and one of %d slices is made of that with id %d", p.Id, p.SliceCount, first.Id)
}

// readComputeInstance reads a compute instance of a profile, which tells its
// size in compute slices. Its UUID comes from its own handle: to walk all MIG
// devices for it can take seconds.
func readComputeInstance(c gonvml.ComputeInstance, p gonvml.ComputeInstanceProfileInfo) (ComputeInstance, error) {
	info, ret := c.GetInfo()
	if ret != gonvml.SUCCESS {
		return ComputeInstance{}, wrap(ret, "read it")
	}
	uuid, ret := info.Device.GetUUID()
	return ComputeInstance{
		ID: int(info.Id), UUID: uuid, SMs: int(p.MultiprocessorCount), ProfileID: int(p.Id),
		Placement: Placement{int(info.Placement.Start), int(p.SliceCount)},
	}, wrap(ret, "read its UUID")
}

// CreateGPUInstance asks the driver and reads back what it made. An instance at
// another place is removed again; the error is then ErrUnknown.
func (l *Library) CreateGPUInstance(gpu string, profileID int, at Placement) (GPUInstance, error) {
	dev, ret := l.handle(gpu)
	if ret != Success {
		return GPUInstance{}, wrap(ret, "find %s", gpu)
	}
	profiles, err := l.gpuProfiles(dev)
	if err != nil {
		return GPUInstance{}, wrapErr(err, "create an instance on %s", gpu)
	}
	k := slices.IndexFunc(profiles, func(p gpuProfile) bool { return int(p.info.Id) == profileID })
	if k < 0 || at.Start < 0 || at.Size < 1 {
		return GPUInstance{}, wrap(ErrInvalidArgument, "create an instance of profile id %d at %v on %s", profileID, at, gpu)
	}
	made, cret := dev.CreateGpuInstanceWithPlacement(&profiles[k].info,
		&gonvml.GpuInstancePlacement{Start: uint32(at.Start), Size: uint32(at.Size)})
	if cret != gonvml.SUCCESS {
		return GPUInstance{}, wrap(cret, "create an instance of profile id %d at %v on %s", profileID, at, gpu)
	}
	i, err := l.readGPUInstance(made)
	if err == nil && (i.Placement != at || i.ProfileID != profileID) {
		err = fmt.Errorf("it has profile id %d at %v, not %d at %v: %w", i.ProfileID, i.Placement, profileID, at, ErrUnknown)
	}
	if err != nil {
		err = joinReturns(err, made.Destroy(), "remove it again")
		return GPUInstance{}, fmt.Errorf("read back an instance made on %s: %w", gpu, err)
	}
	return i, nil
}

// CreateComputeInstance asks the driver for the place where it can be asked for
// one, else for any, and reads back what it made. An instance at another place
// is removed again; the error is then ErrInsufficientResources.
func (l *Library) CreateComputeInstance(gpu string, gi int, at Placement) (ComputeInstance, error) {
	fail := func(err error) (ComputeInstance, error) {
		return ComputeInstance{}, fmt.Errorf("create a compute instance at %v in instance %d of %s: %w", at, gi, gpu, err)
	}
	h, err := l.gpuInstance(gpu, gi)
	if err != nil {
		return fail(err)
	}
	infos, err := computeInfos(h)
	if err != nil {
		return fail(err)
	}
	var tried error = ErrInvalidArgument
	for _, p := range infos {
		if int(p.SliceCount) != at.Size || at.Start < 0 {
			continue
		}
		made, ret := l.makeCompute(h, p, at)
		if ret != gonvml.SUCCESS {
			tried = Return(ret)
			if absent(ret) { // this number of slices may have a second profile
				continue
			}
			break
		}
		k, err := readComputeInstance(made, p)
		if err == nil && k.Placement != at {
			err = fmt.Errorf("the driver made it at %v: %w", k.Placement, ErrInsufficientResources)
		}
		if err != nil {
			return fail(joinReturns(err, made.Destroy(), "remove it again"))
		}
		return k, nil
	}
	return fail(tried)
}

// makeCompute makes a compute instance at a place, where the driver has the
// call, or anywhere.
func (l *Library) makeCompute(h gonvml.GpuInstance, p gonvml.ComputeInstanceProfileInfo, at Placement) (gonvml.ComputeInstance, gonvml.Return) {
	if !l.has("nvmlGpuInstanceCreateComputeInstanceWithPlacement") {
		return h.CreateComputeInstance(&p)
	}
	place := gonvml.ComputeInstancePlacement{Start: uint32(at.Start), Size: uint32(at.Size)}
	if l.has("nvmlGpuInstanceGetComputeInstancePossiblePlacements") {
		// The driver's own size, should it not count compute slices.
		places, _ := h.GetComputeInstancePossiblePlacements(&p)
		if k := slices.IndexFunc(places, func(q gonvml.ComputeInstancePlacement) bool { return q.Start == place.Start }); k >= 0 {
			place = places[k]
		}
	}
	return h.CreateComputeInstanceWithPlacement(&p, &place)
}

func (l *Library) gpuInstance(gpu string, gi int) (gonvml.GpuInstance, error) {
	dev, ret := l.handle(gpu)
	if ret != Success {
		return nil, wrap(ret, "find %s", gpu)
	}
	h, hret := dev.GetGpuInstanceById(gi)
	return h, wrap(hret, "find instance %d", gi)
}

// DestroyComputeInstance asks the driver.
func (l *Library) DestroyComputeInstance(gpu string, gi, ci int) error {
	h, err := l.gpuInstance(gpu, gi)
	if err == nil {
		var c gonvml.ComputeInstance
		var ret gonvml.Return
		if c, ret = h.GetComputeInstanceById(ci); ret == gonvml.SUCCESS {
			ret = c.Destroy()
		}
		err = wrap(ret, "of that instance")
	}
	return wrapErr(err, "remove compute instance %d of instance %d of %s", ci, gi, gpu)
}

// DestroyGPUInstance asks the driver.
func (l *Library) DestroyGPUInstance(gpu string, gi int) error {
	h, err := l.gpuInstance(gpu, gi)
	if err == nil {
		err = wrap(h.Destroy(), "of the driver")
	}
	return wrapErr(err, "remove instance %d of %s", gi, gpu)
}
