// crypto.randomUUID is there under https: and on loopback alone; a phone in the network opens plain http:.

const BYTES = 16;

export function randomKey() {
  return hex(crypto.getRandomValues(new Uint8Array(BYTES)));
}

// Of version 4.
export function randomUuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(BYTES));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function hex(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
