// Package syncnet runs the daemons of connection sync: a master sends the messages of
// package connsync to a multicast group, a backup takes those of others. They are the
// messages of IPVS, so that a director of either kind understands the other's.
//
// Beyond IPVS, directors of this kind
//
//   - put a stamp behind the last entry of each message (stamp.go), an option that the
//     kernel ignores: it numbers the messages, so that those that are lost are counted,
//     and authenticates them where there is a secret;
//   - say hello once a second (hello.go), in a message without entries;
//   - give their whole table to one that joins, over TCP at the number of the UDP port
//     (protocol.go, serve.go, ask.go);
//   - compare digests of their tables over the same connection (digest.go).
//
// Nothing here waits for a packet's worker longer than the engine's own steps, and what
// a flood of messages costs is bounded: see the limits in receiver.go.
package syncnet
