/** The ceiling for the API: Hono and one SELECT by an index on the same database, without tokens, limits or contracts. */
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import pg from "pg";

const [databaseUrl = "", tenantId = ""] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });
const app = new Hono();
app.get("/app/:name", async (c) => {
  const { rows } = await pool.query({ name: "app", text: "select id, name, settings, labels, created_at from apps where tenant_id = $1 and name = $2 and deleted_at is null", values: [tenantId, c.req.param("name")] });
  return c.json(rows[0]);
});
app.get("/apps", async (c) => {
  const { rows } = await pool.query({ name: "apps", text: "select id, name, settings, labels, created_at from apps where tenant_id = $1 and deleted_at is null order by id limit 50", values: [tenantId] });
  return c.json({ items: rows });
});
serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => console.log(JSON.stringify({ port })));
