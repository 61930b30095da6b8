//go:build cgo && linux

package nvml

import (
	"cmp"
	"fmt"
	"slices"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// A gpuProfile is a profile as the driver knows it.
type gpuProfile struct {
	info   gonvml.GpuInstanceProfileInfo
	name   string // as told; empty by old drivers
	enum   int
	places []Placement // by start; none if the driver does not tell them
}

// Profiles asks the driver for what it knows of each profile number.
//
// Note: NVML's number of instances is not used: it is wrong on an A30, which
// NVIDIA/mig-parted works around too (pkg/mig/builder). The places that can be
// taken together say how many the card holds, but for the one that has a media
// extension.
func (l *Library) Profiles(gpu string) ([]Profile, error) {
	dev, ret := l.handle(gpu)
	if ret != Success {
		return nil, wrap(ret, "find %s", gpu)
	}
	mode, err := l.mode(dev)
	if err == nil && !mode.Supported {
		err = ErrNotSupported
	}
	if err != nil {
		return nil, fmt.Errorf("list the MIG profiles of %s: %w", gpu, err)
	}
	card, mret := dev.GetMemoryInfo()
	if mret != gonvml.SUCCESS {
		return nil, wrap(mret, "read the memory of %s", gpu)
	}
	known, err := l.gpuProfiles(dev)
	if err != nil {
		return nil, fmt.Errorf("list the MIG profiles of %s: %w", gpu, err)
	}
	var profiles []Profile
	for _, k := range known {
		if len(k.places) == 0 {
			continue
		}
		p := Profile{
			ID: int(k.info.Id), MemoryBytes: k.info.MemorySizeMB << 20, SMs: int(k.info.MultiprocessorCount),
			Slices: int(k.info.SliceCount), Max: disjoint(k.places), Placements: k.places,
			Attributes: profileAttributes(k.enum),
		}
		if slices.Contains(p.Attributes, "me") || slices.Contains(p.Attributes, "me.all") {
			p.Max = 1
		}
		p.Name = profileName(k.name, p.Slices, p.MemoryBytes, card.Total, p.Attributes)
		profiles = append(profiles, p)
	}
	if len(known) > 0 && len(profiles) == 0 && !mode.Current {
		return nil, fmt.Errorf("list the places of the MIG profiles of %s, which this driver does not tell with MIG off "+
			"(or the board is in display mode); drivers from 550 on tell them: %w", gpu, ErrFunctionNotFound)
	}
	withCompute(profiles)
	return profiles, nil
}

// gpuProfiles asks for each profile number that nvml.h has; a number is no id.
func (l *Library) gpuProfiles(dev gonvml.Device) ([]gpuProfile, error) {
	var profiles []gpuProfile
	for enum := range gonvml.GPU_INSTANCE_PROFILE_COUNT {
		p, ret := l.gpuProfile(dev, enum)
		if absent(ret) {
			continue
		}
		if ret != gonvml.SUCCESS {
			return nil, wrap(ret, "profile number %d", enum)
		}
		places, ret := dev.GetGpuInstancePossiblePlacements(&p.info)
		if ret != gonvml.SUCCESS && !absent(ret) {
			return nil, wrap(ret, "places of profile id %d", p.info.Id)
		}
		for _, at := range places {
			p.places = append(p.places, Placement{int(at.Start), int(at.Size)})
		}
		slices.SortFunc(p.places, func(a, b Placement) int { return cmp.Compare(a.Start, b.Start) })
		profiles = append(profiles, p)
	}
	return profiles, nil
}

// gpuProfile asks for a profile in the newest form that the driver knows: what
// the older form says stands if the newer ones fail, however they do.
func (l *Library) gpuProfile(dev gonvml.Device, enum int) (p gpuProfile, ret gonvml.Return) {
	p.enum = enum
	if l.has("nvmlDeviceGetGpuInstanceProfileInfoV") {
		if v, ret := l.infoV3(dev, enum); ret == gonvml.SUCCESS {
			p.name, p.info = text(v.Name[:]), gonvml.GpuInstanceProfileInfo{
				Id: v.Id, SliceCount: v.SliceCount, InstanceCount: v.InstanceCount,
				MultiprocessorCount: v.MultiprocessorCount, MemorySizeMB: v.MemorySizeMB,
			}
			return p, ret
		}
		if v, ret := l.infoV2(dev, enum); ret == gonvml.SUCCESS {
			p.name, p.info = text(v.Name[:]), gonvml.GpuInstanceProfileInfo{
				Id: v.Id, SliceCount: v.SliceCount, InstanceCount: v.InstanceCount,
				MultiprocessorCount: v.MultiprocessorCount, MemorySizeMB: v.MemorySizeMB,
			}
			return p, ret
		}
	}
	p.info, ret = dev.GetGpuInstanceProfileInfo(enum)
	return p, ret
}

// room is the profile with a number of instances that is never too small, for a
// call that writes so many without asking for the room, and refuses 0.
func (p gpuProfile) room() *gonvml.GpuInstanceProfileInfo {
	p.info.InstanceCount = max(p.info.InstanceCount, uint32(len(p.places)), 8)
	return &p.info
}

// computeInfos asks a GPU instance for each compute profile number.
func computeInfos(gi gonvml.GpuInstance) ([]gonvml.ComputeInstanceProfileInfo, error) {
	var infos []gonvml.ComputeInstanceProfileInfo
	for enum := range gonvml.COMPUTE_INSTANCE_PROFILE_COUNT {
		info, ret := gi.GetComputeInstanceProfileInfo(enum, gonvml.COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED)
		if absent(ret) {
			continue
		}
		if ret != gonvml.SUCCESS {
			return nil, wrap(ret, "compute profile number %d", enum)
		}
		info.InstanceCount = max(info.InstanceCount, 8) // see room
		infos = append(infos, info)
	}
	return infos, nil
}
