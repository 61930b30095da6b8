package tinygguf

import (
	"fmt"
	"slices"
	"strings"
)

// The SentencePiece token types of GGUF that we use.
const (
	pieceNormal  int32 = 1
	pieceUnknown int32 = 2
	pieceControl int32 = 3
	pieceByte    int32 = 6
)

// Where the control tokens stand in every vocabulary.
const (
	unknownToken = 0
	beginToken   = 1
)

// A vocabulary is a SentencePiece one: parallel slices, a token's number being
// its index.
type vocabulary struct {
	pieces    []string
	scores    []float32
	types     []int32
	endOfTurn uint32
}

// words are pieces of their own, so that an answer looks like words rather
// than letters. Which ones does not matter.
const words = "a the person car truck is are no yes two one three near left right " +
	"red blue walking standing of in on and with smoke fire helmet worker forklift gate camera image shows"

// newVocabulary makes the one vocabulary that all models share: control tokens,
// the 256 byte tokens that spell whatever has no piece, printable ASCII, and a
// few words. "▁" is SentencePiece's space.
func newVocabulary() vocabulary {
	var v vocabulary
	add := func(piece string, score float32, kind int32) {
		v.pieces, v.scores, v.types = append(v.pieces, piece), append(v.scores, score), append(v.types, kind)
	}
	add("<unk>", 0, pieceUnknown)
	add("<s>", 0, pieceControl)
	add("</s>", 0, pieceControl)
	for b := range 256 {
		add(fmt.Sprintf("<0x%02X>", b), 0, pieceByte)
	}
	// A piece's score is its rank: the tokenizer joins the better one first.
	rank := float32(0)
	normal := func(piece string) {
		rank--
		add(piece, rank, pieceNormal)
	}
	normal("▁")
	for c := '!'; c <= '~'; c++ {
		normal(string(c))
	}
	for word := range strings.FieldsSeq(words) {
		normal("▁" + word)
	}
	add("<|im_start|>", 0, pieceControl)
	add("<|im_end|>", 0, pieceControl)
	v.endOfTurn = uint32(slices.Index(v.pieces, "<|im_end|>"))
	return v
}
