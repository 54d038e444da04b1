package keys

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// What one record may hold. A hostile record of a few bytes per element cannot
// make the decoder allocate more than these many Go values per array.
const (
	maxArray  = 4096
	maxMap    = 64
	maxNested = 12
)

var (
	encMode = mustEncMode()
	decMode = mustDecMode()
)

// mustEncMode returns the core deterministic encoding of RFC 8949, section
// 4.2.1, without tags. A nil slice or map is written as an empty one, so that
// null stays the one spelling of an absent pointer.
func mustEncMode() cbor.EncMode {
	o := cbor.CoreDetEncOptions()
	o.TagsMd = cbor.TagsForbidden
	o.NilContainers = cbor.NilContainerAsEmpty
	o.BigIntConvert = cbor.BigIntConvertReject
	o.BinaryMarshaler = cbor.BinaryMarshalerNone
	m, err := o.EncMode()
	if err != nil {
		panic(err)
	}
	return m
}

func mustDecMode() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		BinaryUnmarshaler: cbor.BinaryUnmarshalerNone,
		MaxArrayElements:  maxArray,
		MaxMapPairs:       maxMap,
		MaxNestedLevels:   maxNested,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return m
}

// Marshal returns the canonical CBOR of v. Structs carry the tag
// `cbor:",toarray"`; a [N]byte is a byte string of N bytes, a nil slice an
// empty one, a nil pointer null. It panics on a type that CBOR cannot hold and
// on a Secret, both of which are mistakes of the program.
func Marshal(v any) []byte {
	b, err := encMode.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("keys: marshal %T: %v", v, err))
	}
	return b
}

// Unmarshal decodes b into v, a pointer to a zero value, iff b is exactly what
// Marshal writes for the result: the decoder alone would take long integers,
// unsorted keys, short byte strings for arrays, and missing map keys. After an
// error v holds rubbish. At most 4096 elements an array, 12 levels deep.
//
// A cbor.RawMessage inside v is copied unseen: decode it with Unmarshal too.
// A PeerID inside v is any 32 bytes: see PeerID.Check.
//
// Errors: ErrNotCanonical.
func Unmarshal(b []byte, v any) error {
	if err := decMode.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %v", ErrNotCanonical, err)
	}
	again, err := encMode.Marshal(v)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrNotCanonical, err)
	}
	if !bytes.Equal(again, b) {
		return fmt.Errorf("%w: encodes differently", ErrNotCanonical)
	}
	return nil
}
