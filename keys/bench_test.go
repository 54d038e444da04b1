package keys

import (
	"crypto/hpke"
	"fmt"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// compare runs ours and bare in turns and reports both times and their ratio,
// which holds on a noisy machine where neither time does.
func compare(b *testing.B, ours, bare func()) {
	const turns = 16
	var sum [2]time.Duration
	n := 0
	for b.Loop() {
		for i, f := range []func(){ours, bare} {
			start := time.Now()
			for range turns {
				f()
			}
			sum[i] += time.Since(start)
		}
		n += turns
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(sum[0].Nanoseconds())/float64(n), "ours-ns")
	b.ReportMetric(float64(sum[1].Nanoseconds())/float64(n), "bare-ns")
	b.ReportMetric(float64(sum[0])/float64(sum[1]), "ratio")
}

// must is for the bare side, where an error would make the time a lie.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The bare side is ChaCha20-Poly1305 over as many bytes, under a key at hand.
func BenchmarkSealMessage(b *testing.B) {
	for _, size := range []int{60, 1000, 4000, 64000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			text, n := make([]byte, size), newNote(nil)
			aead := must(chacha20poly1305.New(n.key[:]))
			nonce, padded := make([]byte, aead.NonceSize()), make([]byte, PaddedLen(size))
			compare(b, func() { SealMessage(n.key, n.salt, n.header, text) },
				func() { aead.Seal(nil, nonce, padded, nil) })
		})
	}
}

func BenchmarkOpenMessage(b *testing.B) {
	for _, size := range []int{60, 1000, 4000, 64000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			n := newNote(make([]byte, size))
			aead := must(chacha20poly1305.New(n.key[:]))
			nonce := make([]byte, aead.NonceSize())
			ct := aead.Seal(nil, nonce, make([]byte, PaddedLen(size)), nil)
			compare(b, func() { must(n.open()) }, func() { must(aead.Open(nil, nonce, ct, nil)) })
		})
	}
}

// The bare side is HPKE of the same suite with the key already parsed.
func BenchmarkSealEnvelope(b *testing.B) {
	bundle, _ := testBundle(b, testIdentity(2))
	pk := must(hpke.MLKEM768X25519().NewPublicKey(bundle.Key))
	info, key := make([]byte, 174), make([]byte, 32)
	compare(b, func() { must(SealEnvelope(bundle, Hash{}, Hash{}, PeerID{}, Secret{})) },
		func() { must(hpke.Seal(pk, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info, key)) })
}

func BenchmarkOpenEnvelope(b *testing.B) {
	s := newSealed(b)
	sk := must(hpke.MLKEM768X25519().NewPrivateKey(s.seed[:]))
	compare(b, func() { must(OpenEnvelope(s.seed, s.info, s.ct)) },
		func() { must(hpke.Open(sk, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), s.info.bytes(), s.ct)) })
}

func BenchmarkParseBundle(b *testing.B) {
	bundle, _ := testBundle(b, testIdentity(2))
	for b.Loop() {
		must(ParseBundle(bundle.Raw()))
	}
}

func BenchmarkDecodeVerifyRecord(b *testing.B) {
	id := testIdentity(1)
	wire := id.Sign(LabelMessage, Hash{}, make([]byte, 600)).Encode()
	for b.Loop() {
		rec := must(DecodeRecord(wire))
		if err := rec.Verify(LabelMessage, Hash{}, id.PeerID()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSafetyNumber(b *testing.B) {
	a, c := testIdentity(1).PeerID(), testIdentity(2).PeerID()
	for b.Loop() {
		SafetyNumber(a, c)
	}
}
