package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/mat"
)

// sigma is how far off, as a share, a figure may well be: the noise of a run on
// either side, an hour for a service, five minutes for one model.
func sigma(figure string) float64 {
	switch figure {
	case vlmResponses, vlmLatency, visionRate:
		return 0.01
	}
	return 0.02
}

// A problem is rows to be met by free parameters.
type problem struct {
	rows []*row
	free []free
	// predict gives the figures of some rows with factors given as logarithms.
	predict func(x []float64, rows []*row) (map[*row]map[string]float64, error)
	// noted is where a figure of a row stands among the residuals.
	noted []residual
}

type residual struct {
	row    *row
	figure string
}

func newProblem(rows []*row, all []free, predict func([]float64, []*row) (map[*row]map[string]float64, error)) *problem {
	p := &problem{rows: rows, free: all, predict: predict}
	for _, r := range rows {
		for _, figure := range slices.Sorted(maps.Keys(r.targets)) {
			p.noted = append(p.noted, residual{r, figure})
		}
	}
	return p
}

// predictor runs rows on the model, two at a time.
func predictor(all []free, base map[string]time.Duration) func([]float64, []*row) (map[*row]map[string]float64, error) {
	return func(x []float64, rows []*row) (map[*row]map[string]float64, error) {
		figures := make([]map[string]float64, len(rows))
		var g errgroup.Group
		g.SetLimit(2)
		for i, r := range rows {
			g.Go(func() (err error) {
				t := trialOf(all, x)
				t.loads(r, base)
				figures[i], err = r.run(t.parameters)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
		out := make(map[*row]map[string]float64)
		for i, r := range rows {
			out[r] = figures[i]
		}
		return out, nil
	}
}

// residuals gives log(model ÷ published) ÷ sigma for every figure.
func (p *problem) residuals(x []float64) ([]float64, error) {
	figures, err := p.predict(x, p.rows)
	if err != nil {
		return nil, err
	}
	var all []float64
	for _, n := range p.noted {
		all = append(all, math.Log(figures[n.row][n.figure]/n.row.targets[n.figure])/sigma(n.figure))
	}
	return all, nil
}

// cost is the sum of squares of residuals and of how far parameters are from
// what was believed of them; the residuals of one row are left out, or none if
// it is nil.
func (p *problem) cost(x, residuals []float64, without *row) float64 {
	var sum float64
	for i, r := range residuals {
		if p.noted[i].row == without {
			continue
		}
		// Far off, a figure pulls as its distance, not as its square: one that
		// cannot be met does not spoil the others.
		if a := math.Abs(r); a > 4 {
			sum += 8*a - 16
		} else {
			sum += r * r
		}
	}
	for i, f := range p.free {
		away := (x[i] - f.prior()) / f.width
		sum += away * away
	}
	return sum
}

// difference is the step of the numeric derivative: wide, because a run has
// noise.
const difference = 0.04

// jacobian is the residuals' derivative by each free parameter.
func (p *problem) jacobian(x []float64) (*mat.Dense, error) {
	j := mat.NewDense(len(p.noted), len(x), nil)
	for c := range x {
		up, down := slices.Clone(x), slices.Clone(x)
		up[c], down[c] = up[c]+difference, down[c]-difference
		a, err := p.residuals(up)
		if err != nil {
			return nil, err
		}
		b, err := p.residuals(down)
		if err != nil {
			return nil, err
		}
		for r := range a {
			j.Set(r, c, (a[r]-b[r])/(2*difference))
		}
	}
	return j, nil
}

// step solves for the change that a linear model asks for, with damping; left
// out are the residuals of one row, or none if it is nil.
func (p *problem) step(x, r []float64, j *mat.Dense, damping float64, without *row) ([]float64, error) {
	n := len(x)
	a, b := mat.NewSymDense(n, nil), mat.NewVecDense(n, nil)
	for i, noted := range p.noted {
		if noted.row == without {
			continue
		}
		weight := 1.0
		if far := math.Abs(r[i]); far > 4 {
			weight = 4 / far
		}
		for c := range n {
			b.SetVec(c, b.AtVec(c)-weight*j.At(i, c)*r[i])
			for d := c; d < n; d++ {
				a.SetSym(c, d, a.At(c, d)+weight*j.At(i, c)*j.At(i, d))
			}
		}
	}
	for c, f := range p.free {
		a.SetSym(c, c, a.At(c, c)*(1+damping)+1/(f.width*f.width))
		b.SetVec(c, b.AtVec(c)-(x[c]-f.prior())/(f.width*f.width))
	}
	var chol mat.Cholesky
	if !chol.Factorize(a) {
		return nil, fmt.Errorf("the fit's equations have no solution")
	}
	var dx mat.VecDense
	if err := chol.SolveVecTo(&dx, b); err != nil {
		return nil, fmt.Errorf("solve the fit's equations: %w", err)
	}
	out := slices.Clone(x)
	for c := range out {
		out[c] += max(-0.5, min(0.5, dx.AtVec(c)))
	}
	return out, nil
}

// solve is Levenberg and Marquardt's method from x. It tells each round.
func (p *problem) solve(x []float64, rounds int, tell func(string, ...any)) ([]float64, error) {
	r, err := p.residuals(x)
	if err != nil {
		return nil, err
	}
	tell("start: cost %.1f", p.cost(x, r, nil))
	for round := range rounds {
		j, err := p.jacobian(x)
		if err != nil {
			return nil, err
		}
		before := p.cost(x, r, nil)
		if x, r, err = p.descend(x, r, j, nil); err != nil {
			return nil, err
		}
		after := p.cost(x, r, nil)
		tell("round %d: cost %.1f", round+1, after)
		if after > 0.998*before {
			break
		}
	}
	return x, nil
}

// descend takes the longest step, from undamped to short, that lowers the
// cost without a row, and gives x and its residuals as they are if none does.
func (p *problem) descend(x, r []float64, j *mat.Dense, without *row) ([]float64, []float64, error) {
	for _, damping := range []float64{0, 0.1, 1, 10} {
		next, err := p.step(x, r, j, damping, without)
		if err != nil {
			return nil, nil, err
		}
		rn, err := p.residuals(next)
		if err != nil {
			return nil, nil, err
		}
		if p.cost(next, rn, without) < p.cost(x, r, without) {
			return next, rn, nil
		}
	}
	return x, r, nil
}

// chords is how many steps a fit without a row takes from the fit to all.
const chords = 3

// leaveOneOut predicts each row from a fit to the others. The fits without a
// row begin at x, take steps with the derivatives at x, which belong to no
// row's figures but through the model, and pull parameters to what was believed
// of them before any fit.
func (p *problem) leaveOneOut(x []float64) (map[*row]map[string]float64, error) {
	r, err := p.residuals(x)
	if err != nil {
		return nil, err
	}
	j, err := p.jacobian(x)
	if err != nil {
		return nil, err
	}
	out := make(map[*row]map[string]float64)
	for _, left := range p.rows {
		without, rest := x, r
		for range chords {
			if without, rest, err = p.descend(without, rest, j, left); err != nil {
				return nil, err
			}
		}
		figures, err := p.predict(without, []*row{left})
		if err != nil {
			return nil, err
		}
		out[left] = figures[left]
	}
	return out, nil
}
