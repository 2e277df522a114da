package connsync

// A Backup takes the entries out of the messages of one sync domain. It is for one
// goroutine.
type Backup struct {
	// SyncID is the domain; 0: all messages are taken.
	SyncID uint8
	// Counts count the messages and entries so far.
	Counts BackupCounts

	m Message
}

// BackupCounts count what a Backup was given.
type BackupCounts struct {
	Messages  uint64 // of its domain, malformed ones too
	Foreign   uint64 // messages of other domains, which are ignored
	Malformed uint64 // messages refused, in whole or from some entry on
	Entries   uint64 // taken
	Refused   uint64 // entries refused by themselves: see Message.Refused
}

// Read returns the entries of a message that are to be taken, valid until the next
// Read, and why not all of a malformed one are. A message of another domain has none.
func (b *Backup) Read(message []byte) ([]Entry, error) {
	if len(message) > 1 && b.SyncID != 0 && message[1] != b.SyncID {
		b.Counts.Foreign++
		return nil, nil
	}
	b.Counts.Messages++
	err := b.m.Parse(message)
	if err != nil {
		b.Counts.Malformed++
	}
	b.Counts.Entries += uint64(len(b.m.Entries))
	b.Counts.Refused += uint64(b.m.Refused)
	return b.m.Entries, err
}
