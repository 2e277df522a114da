package ask

import (
	"encoding/hex"
	"testing"
)

func TestHexIsReadInFreeFormat(t *testing.T) {
	for _, c := range []struct {
		in   []string
		wild bool
		data string
		mask string // empty: all bits
	}{
		{[]string{"Ab12f", "3", "456", "546443123"}, false, "ab120f034506546443" + "1203", ""}, // keepalived.conf(5)
		{[]string{"01 02", "3"}, false, "010203", ""},
		{nil, false, "", ""},
		{[]string{"0xF1", "X2"}, true, "00f102", "f0ff0f"},
		{[]string{"xx", "x"}, true, "0000", "00f0"},
	} {
		data, mask, err := ParseHex(c.in, c.wild)
		if c.mask == "" {
			for range len(data) {
				c.mask += "ff"
			}
		}
		if got := hex.EncodeToString([]byte(data)); err != nil || got != c.data || hex.EncodeToString([]byte(mask)) != c.mask {
			t.Errorf("%q: %s with %x, %v; want %s with %s", c.in, got, mask, err, c.data, c.mask)
		}
	}
	for _, s := range []string{"0z", "g", "é"} {
		if _, _, err := ParseHex([]string{s}, true); err == nil {
			t.Errorf("%q is hexadecimal", s)
		}
	}
	if _, _, err := ParseHex([]string{"0x"}, false); err == nil {
		t.Error("x is a digit of a payload")
	}
}

func TestAReplyIsGood(t *testing.T) {
	u := &UDP{Reply: true, Data: "\x12\x30", Mask: "\xff\xf0", Min: 1, Max: 3}
	for reply, want := range map[string]bool{"": false, "\x12": true, "\x13": false, "\x12\x3f": true, "\x12\x2f": false, "\x12\x30\x99": true, "\x12\x30\x99\x99": false} {
		if u.Good([]byte(reply)) != want {
			t.Errorf("%x is good: %v", reply, !want)
		}
	}
	if got, want := u.String(), "require_reply 1230 mask fff0 min_reply_length 1 max_reply_length 3"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := (&UDP{Payload: "\x01\x02"}).String(); got != "payload 0102" {
		t.Error(got)
	}
}

// FuzzReply: no reply makes Good fail, and one that equals the data is good if its length is.
func FuzzReply(f *testing.F) {
	f.Add([]byte("\x12\x30"), "12 3x")
	f.Fuzz(func(t *testing.T, reply []byte, want string) {
		data, mask, err := ParseHex([]string{want}, true)
		if err != nil {
			return
		}
		u := &UDP{Reply: true, Data: data, Mask: mask, Max: DefaultMaxReply}
		if u.Good(reply) && len(reply) > DefaultMaxReply {
			t.Fatal("a reply that is too long is good")
		}
		if !u.Good([]byte(data)) && len(data) <= DefaultMaxReply {
			t.Fatalf("%x is not like itself with %x", data, mask)
		}
	})
}
