/** What the runtime has of Node's (https://developers.cloudflare.com/workers/runtime-apis/nodejs/crypto/), as far as it is used. */
declare module 'node:crypto' {
  export function createPrivateKey(pem: string): {
    export(options: { type: 'pkcs8'; format: 'pem' }): string;
  };

  interface Hmac {
    update(data: Uint8Array | string): Hmac;
    digest(encoding: 'base64'): string;
  }
  export function createHmac(algorithm: string, key: Uint8Array): Hmac;
}
