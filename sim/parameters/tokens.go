package parameters

import (
	"math"
	"math/rand/v2"
)

// TurnTokens is what a chat template adds around each message.
const TurnTokens = 4

// TextTokens is about how many tokens a text of so many bytes makes: four
// characters of English each.
func TextTokens(bytes int) int { return (bytes + 3) / 4 }

// ImageTokens is how many tokens an image makes in Qwen3-VL, of its pixels:
// each 32 x 32 of them one.
func ImageTokens(width, height int) int { return ((width + 31) / 32) * ((height + 31) / 32) }

// AnswerTokens draws how long an answer would be that nothing cuts: log-normal
// about the median, with a standard deviation of the logarithm of 0.5, at
// least 1. The same seed gives the same length.
func AnswerTokens(seed uint64, median float64) int {
	r := rand.New(rand.NewPCG(seed, 3))
	return max(1, int(median*math.Exp(0.5*r.NormFloat64())))
}
