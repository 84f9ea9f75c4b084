/** What the runtime has of Node's (https://developers.cloudflare.com/workers/runtime-apis/nodejs/crypto/), as far as it is used. */
declare module 'node:crypto' {
  export function createPrivateKey(pem: string): {
    export(options: { type: 'pkcs8'; format: 'pem' }): string;
  };
}
