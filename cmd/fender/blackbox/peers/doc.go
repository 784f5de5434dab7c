// Package peers holds the cases of the black-box suite that need servers and libraries which are not ours: nginx with
// its dav module, an event-stream server and a WebSocket server. It is a module of its own so that what it needs is no
// requirement of the sidecar's.
package peers
