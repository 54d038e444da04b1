package main

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// script hands out the texts of one run: two words each, and no word twice, so
// that a node that knows any word of a line knows that line.
type script struct{ words []string }

func newScript() script {
	w := strings.Fields(demoWords)
	rand.Shuffle(len(w), func(i, j int) { w[i], w[j] = w[j], w[i] })
	return script{w}
}

func (s *script) next() string {
	text := s.words[0] + " " + s.words[1]
	s.words = slices.Delete(s.words, 0, 2)
	return text
}

const demoWords = `amber anchor arrow badger basalt beacon birch bronze cactus candle canyon cedar
cherry cobalt comet copper coral cotton cricket dahlia desert dolphin falcon feather fjord
flint fossil garnet ginger glacier granite harbor hazel heron indigo island ivory jasper juniper
kestrel lagoon lantern lemon lilac linen lotus magnet mango maple marble meadow mirror nectar
nutmeg oasis olive orchid otter pebble pepper pollen prairie quartz quill raven river robin
saffron salmon spruce thistle thunder tulip turtle umber valley velvet violet walnut
willow winter zephyr`
