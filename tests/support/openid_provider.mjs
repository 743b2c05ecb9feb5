// A real OpenID provider for tests: the certified library oidc-provider on loopback.
// Its name is localhost: for a browser another site than a host at 127.0.0.1.
// node openid_provider.mjs LIBRARY SETTINGS: SETTINGS is JSON with port, client_id, client_secret, origins, accounts
// (subject: claims), claims_in_id_token. Any password is right: the log-in page asks for a subject.

import { generateKeyPairSync, randomBytes } from "node:crypto";

const [library, text] = process.argv.slice(2);
const { Provider } = await import(library);
const settings = JSON.parse(text);
const issuer = `http://localhost:${settings.port}`;

const key = (type, options) => generateKeyPairSync(type, options).privateKey.export({ format: "jwk" });
const keys = [
  { ...key("rsa", { modulusLength: 2048 }), use: "sig", kid: randomBytes(4).toString("hex") },
  { ...key("ec", { namedCurve: "P-256" }), use: "sig", kid: randomBytes(4).toString("hex") },
];

const provider = new Provider(issuer, {
  clients: [{
    client_id: settings.client_id,
    client_secret: settings.client_secret,
    redirect_uris: settings.origins.map((origin) => `${origin}/login/openid`),
    post_logout_redirect_uris: settings.origins.map((origin) => `${origin}/login`),
    id_token_signed_response_alg: settings.algorithm || "RS256",
  }],
  jwks: { keys },
  cookies: { keys: [randomBytes(16).toString("hex")] },
  scopes: ["openid", "profile", "groups"],
  claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"], auth_time: null },
  conformIdTokenClaims: !settings.claims_in_id_token,
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  enabledJWA: { idTokenSigningAlgValues: ["RS256", "ES256"] },
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 3600, IdToken: 600, Interaction: 600, Session: 3600 },
  findAccount: (_, subject) => ({
    accountId: subject,
    claims: () => ({ sub: subject, ...settings.accounts[subject] }),
  }),
  async loadExistingGrant(ctx) { // no page that asks for consent
    const grant = new provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid profile groups");
    await grant.save();
    return grant;
  },
});

provider.listen(settings.port, "127.0.0.1", () => console.log("ready"));
process.stdin.resume().on("end", () => process.exit());
