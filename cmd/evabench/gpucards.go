package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// A tableCard is a card of the built-in table.
type tableCard struct {
	partition.GPU
	assumed string // what of it was never recorded from hardware
}

// tableGPU gives a card of the table as it is with MIG off and nothing on it.
func tableGPU(name string) (tableCard, error) {
	d, profiles, err := nvml.TableCard(name)
	if err != nil {
		return tableCard{}, err
	}
	g := partition.GPU{
		Name: d.Name, UUID: "any", MemoryBytes: d.Memory.TotalBytes, SMs: d.SMs, MIG: partition.Mode(d.MIG),
		PCIDevice: d.PCIDevice, ComputeCapability: d.ComputeCapability,
	}
	for _, p := range profiles {
		g.Profiles = append(g.Profiles, profileOf(p))
	}
	return tableCard{g, d.Assumed}, nil
}

func profileOf(p nvml.Profile) partition.Profile {
	out := partition.Profile{
		ID: p.ID, Name: p.Name, MemoryBytes: p.MemoryBytes, SMs: p.SMs, Slices: p.Slices,
		Placements: placementsOf(p.Placements), Attributes: p.Attributes, Assumed: p.Assumed,
	}
	for _, c := range p.Compute {
		out.Compute = append(out.Compute, partition.ComputeProfile{Slices: c.Slices, SMs: c.SMs, Placements: placementsOf(c.Placements)})
	}
	return out
}

func placementsOf(all []nvml.Placement) []partition.Placement {
	var out []partition.Placement
	for _, p := range all {
		out = append(out, partition.Placement(p))
	}
	return out
}

// tableState is a server with cards of the table, for plans without a GPU. Values
// that were invented for simulated cards are refused: a plan with them would say
// more than anybody knows.
func tableState(names []string) (partition.State, error) {
	var s partition.State
	for i, name := range names {
		card, err := tableGPU(name)
		if err != nil {
			return s, fmt.Errorf("--card: %w", err)
		}
		for _, p := range card.Profiles {
			if p.Assumed {
				return s, fmt.Errorf("--card: profiles of %q were never recorded from such a card, so that nothing can be planned for it from the table: %s; plan on the card itself with --gpus, or on a simulated one with --sim", name, card.assumed)
			}
		}
		card.Index, card.UUID = i, fmt.Sprintf("card-%d", i)
		s.GPUs = append(s.GPUs, card.GPU)
	}
	return s, nil
}

// printCards lists the cards of the table.
func printCards(w io.Writer) error {
	names, err := nvml.CardNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		card, err := tableGPU(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\n%s\n", name, fold("  "+strings.Join(uniform(card.GPU), ", ")))
		if card.assumed != "" {
			fmt.Fprintln(w, fold("  assumed: "+card.assumed))
		}
	}
	refused, err := nvml.RefusedCards()
	if err != nil {
		return err
	}
	for _, c := range refused {
		fmt.Fprintf(w, "%s\n%s\n", c.Name, fold("  left out: "+c.Reason))
	}
	return nil
}
