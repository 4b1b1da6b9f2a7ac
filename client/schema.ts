// Made from api/openapi.json by «npm run client»: change the API's routes, not this file.
export interface paths {
    "/v1/apps": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List apps, oldest first; by labels: `label=env=prod`, `env!=prod`, `env`, `!env`, all must hold */
        get: operations["listApps"];
        put?: never;
        /** Create an app */
        post: operations["createApp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show an app */
        get: operations["getApp"];
        put?: never;
        post?: never;
        /** Destroy an app: its URL stops answering, its instances end */
        delete: operations["destroyApp"];
        options?: never;
        head?: never;
        /** Change an app's settings and labels */
        patch: operations["updateApp"];
        trace?: never;
    };
    "/v1/apps/{app}/deployments": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List an app's deployments, newest first */
        get: operations["listDeployments"];
        put?: never;
        /**
         * Deploy a build context, a bare Dockerfile or an image; makes the app when there is none
         * @description The format is known by its first bytes. The configuration is the part «config» of a form, or JSON in the header berth-config.
         */
        post: operations["deployApp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/domains": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the domains of an app */
        get: operations["listDomains"];
        put?: never;
        /** Claim a domain for an app; it is served once its TXT record was seen */
        post: operations["addDomain"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/domains/{host}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a domain and the record that proves it */
        get: operations["getDomain"];
        put?: never;
        post?: never;
        /** Give a domain up */
        delete: operations["removeDomain"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/domains/{host}/check": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Look for a domain's TXT record now */
        post: operations["checkDomain"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/env": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show an app's environment */
        get: operations["getEnv"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Set and unset variables */
        patch: operations["updateEnv"];
        trace?: never;
    };
    "/v1/apps/{app}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what happened to an app's instances and why, newest first */
        get: operations["listAppEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/explain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Say in words why an app has the instances that it has */
        get: operations["explainApp"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/instances": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the instances of an app */
        get: operations["listInstances"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/instances/{instance}/exec": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Runs a program in an instance (WebSocket)
         * @description With the app's own user, environment and limits. The first message is `{"type":"start","args":[…],"terminal":null}` (or `{"columns","rows","term"}`). Then binary messages are input; output comes as binary messages behind one byte: 1 or 2, the stream. `{"type":"end"}` ends the input, `{"type":"resize","columns","rows"}` changes the terminal. The answer is `{"type":"opened"}`, and last `{"type":"exit","code"}` or `{"type":"problem","code","detail"}`.
         */
        get: operations["execInInstance"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/instances/{instance}/ports/{port}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Connects to a port of an instance (WebSocket)
         * @description Ports of its loopback address, too. Binary messages are the connection's bytes; those that come have one byte, 1, before them. `{"type":"end"}` ends what is sent.
         */
        get: operations["connectToPort"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the jobs of an app */
        get: operations["listJobs"];
        put?: never;
        /** Make a job; with a schedule it runs by itself */
        post: operations["createJob"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/jobs/{job}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a job */
        get: operations["getJob"];
        put?: never;
        post?: never;
        /** Delete a job: its open runs are cancelled, its history stays */
        delete: operations["deleteJob"];
        options?: never;
        head?: never;
        /** Change a job; what runs stays as it is */
        patch: operations["updateJob"];
        trace?: never;
    };
    "/v1/apps/{app}/jobs/{job}/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the runs of a job */
        get: operations["listJobRuns"];
        put?: never;
        /** Run a job now, beside its schedule */
        post: operations["runJob"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What an app's instances wrote */
        get: operations["getAppLogs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/maintenance": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Answer all requests of an app with 503 at the gateway; its instances go on */
        put: operations["startMaintenance"];
        post?: never;
        /** Serve the app's requests again */
        delete: operations["endMaintenance"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/previews": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the previews of an app, oldest first */
        get: operations["listPreviews"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/previews/{preview}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Make a preview, or let it live on with the configuration that its app has now; then deploy to it by its app's name */
        put: operations["putPreview"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/promote": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Run the image of another app's release, or of a preview, without building it again */
        post: operations["promoteApp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/releases": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List releases, newest first */
        get: operations["listReleases"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/rollback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Return to an older release */
        post: operations["rollbackApp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the runs of an app, of its jobs and of none */
        get: operations["listRuns"];
        put?: never;
        /** Run a command once, with the live release's image, variables and secrets */
        post: operations["createRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/runs/{run}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a run */
        get: operations["getRun"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/runs/{run}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End a run: the stop signal, the grace time, the kill. What has ended stays as it is */
        post: operations["cancelRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/runs/{run}/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a run wrote; followed, until it has ended */
        get: operations["getRunLogs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/secrets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the secrets that an app gets, its own and shared ones; never their values */
        get: operations["listSecrets"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/secrets/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Set a secret of an app */
        put: operations["putSecret"];
        post?: never;
        /** Remove a secret of an app */
        delete: operations["deleteSecret"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show an app with its instances and its last deployment */
        get: operations["getAppStatus"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/volumes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the volumes of an app */
        get: operations["listVolumes"];
        put?: never;
        /** Make a volume, for settings to mount */
        post: operations["createVolume"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/volumes/{volume}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a volume, where it is and what is being done with it */
        get: operations["getVolume"];
        put?: never;
        post?: never;
        /** Delete a volume that nothing mounts, with all of its snapshots */
        delete: operations["deleteVolume"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/volumes/{volume}/operations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what was done with a volume */
        get: operations["listVolumeOperations"];
        put?: never;
        /** Take a snapshot of a volume, restore one, or move the volume to another node */
        post: operations["startVolumeOperation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/volumes/{volume}/operations/{operation}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show how far an operation is, or why it failed */
        get: operations["getVolumeOperation"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/volumes/{volume}/resize": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a volume grow */
        post: operations["resizeVolume"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/volumes/{volume}/snapshots": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the snapshots of a volume */
        get: operations["listVolumeSnapshots"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/{app}/volumes/{volume}/snapshots/{snapshot}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Delete a snapshot */
        delete: operations["deleteVolumeSnapshot"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Who changed what, newest first
         * @description With `Accept: application/x-ndjson` all entries from the cursor on, one a line, without pages.
         */
        get: operations["listAudit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/builds/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a build */
        get: operations["getBuild"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/builds/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Cancel a build: a running one ends within a second */
        post: operations["cancelBuild"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/builds/{id}/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a build wrote: events until it ends, or lines of JSON */
        get: operations["getBuildLog"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/deployments/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a deployment */
        get: operations["getDeployment"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/deployments/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Cancel a deployment that has not ended; the live release goes on */
        post: operations["cancelDeployment"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/deployments/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follow a deployment to its end */
        get: operations["followDeployment"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/env": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show the variables that all apps of the tenant share */
        get: operations["getSharedEnv"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Set and unset variables that all apps share; an app's own go first */
        patch: operations["updateSharedEnv"];
        trace?: never;
    };
    "/v1/invites": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List invitations that are open */
        get: operations["listInvites"];
        put?: never;
        /** Invite a person: send them the link. An older invitation of the same address ends */
        post: operations["createInvite"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/invites/{invite}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Take an invitation back */
        delete: operations["revokeInvite"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/login/token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** For `berth login --web`: exchange the code that the browser brought for a personal token */
        post: operations["createCliToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/members": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the members of the tenant */
        get: operations["listMembers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/members/{member}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Remove a member, with the scope `admin`, or leave; the person's tokens end with it. The last owner stays */
        delete: operations["removeMember"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/members/{member}/role": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Change a member's role; the last owner stays one */
        put: operations["setMemberRole"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/node/snapshots/{snapshot}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** For a node's agent: the bytes of a snapshot that it was told to take */
        put: operations["storeSnapshot"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/node/token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** For a node's agent: a short-lived JWT for its channel, in exchange for the node's own token */
        post: operations["createNodeToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/nodes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List nodes: what each has, what it runs, what its kernel can */
        get: operations["listNodes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/nodes/{node}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a node */
        get: operations["getNode"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Cordon a node, so that it takes no more instances, or let it take them again; what runs stays as it is */
        patch: operations["updateNode"];
        trace?: never;
    };
    "/v1/operator/nodes/{node}/apps": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List apps with instances or volumes on a node, and what a drain moves of them */
        get: operations["listAppsOfNode"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/nodes/{node}/drain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Empty a node: its instances move to others, each when another one serves in its place */
        post: operations["drainNode"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/plans": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List plans */
        get: operations["listPlans"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/plans/{plan}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Make a plan, or set all limits of it that differ from the platform's */
        put: operations["putPlan"];
        post?: never;
        /** Remove a plan that no tenant has */
        delete: operations["removePlan"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/signing-keys/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make a new key for JWTs; with `revoke` whatever the old ones signed ends within seconds */
        post: operations["rotateSigningKeys"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/tenants": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List tenants */
        get: operations["listTenants"];
        put?: never;
        /** Create a tenant */
        post: operations["createTenant"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/tenants/{tenant}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a tenant */
        get: operations["getTenant"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/tenants/{tenant}/invites": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Invite a person to a tenant, such as its first owner */
        post: operations["inviteToTenant"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/tenants/{tenant}/plan": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Set a tenant's plan and all exceptions from it; what runs is not touched */
        put: operations["setTenantPlan"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/tenants/{tenant}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End a suspension: what ran runs again */
        post: operations["resumeTenant"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/tenants/{tenant}/suspend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Suspend a tenant: it can be read, nothing of it runs or is built */
        post: operations["suspendTenant"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/tenants/{tenant}/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make a token of a tenant */
        post: operations["createTenantToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List operators' tokens */
        get: operations["listOperatorTokens"];
        put?: never;
        /** Make an operator's token */
        post: operations["createOperatorToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operator/tokens/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Revoke an operator's token */
        delete: operations["revokeOperatorToken"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/quota": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show the tenant's limits and what is used of them */
        get: operations["getQuota"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/secrets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the secrets that all apps of the tenant share; never their values */
        get: operations["listSharedSecrets"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/secrets/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Set a secret that all apps share; an app's own of the same name goes first */
        put: operations["putSharedSecret"];
        post?: never;
        /** Remove a secret that all apps share */
        delete: operations["deleteSharedSecret"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who is signed in, with the token that requests of pages must send along */
        get: operations["getSession"];
        /** Look at another tenant of yours */
        put: operations["chooseTenant"];
        post?: never;
        /** Sign out: the session ends everywhere within a second */
        delete: operations["endSession"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/session/invites": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Accept an invitation that is for your address */
        post: operations["acceptInvite"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/session/refresh": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Renew the session's cookie, which holds for some minutes */
        post: operations["renewSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/session/tenants": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make a tenant of your own, where the operator allows it and you have none */
        post: operations["createOwnTenant"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/token-exchange": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Exchange a pipeline's OIDC identity token for a deploy token (RFC 8693), as a trust of the tenant says */
        post: operations["exchangeToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List tokens that open something: with the scope `admin` all of the tenant, else your own */
        get: operations["listTokens"];
        put?: never;
        /** Make a token, with no more than you have yourself */
        post: operations["createToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tokens/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Revoke a token: it ends everywhere within a second, with whatever it has open */
        delete: operations["revokeToken"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tokens/{token}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make a token in the place of another; both work until the overlap has passed */
        post: operations["rotateToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/trusts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List trusts */
        get: operations["listTrusts"];
        put?: never;
        /** Trust a pipeline: whoever shows an identity token with this issuer, audience and these claims gets a deploy token */
        post: operations["createTrust"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/trusts/{trust}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Remove a trust; tokens that it gave end with it */
        delete: operations["removeTrust"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What apps used, by hour, day or month
         * @description Without a span, the present month (UTC). With `Accept: text/csv` a table; its next page is in the header `Link`.
         */
        get: operations["listUsage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/whoami": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who a token belongs to */
        get: operations["whoami"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        App: {
            /** Format: date-time */
            createdAt: string;
            id: string;
            instances: {
                ready: number;
                wanted: number;
            };
            labels: components["schemas"]["Labels"];
            liveRelease: string | null;
            maintenance: components["schemas"]["Maintenance"] | null;
            name: string;
            settings: components["schemas"]["Settings"];
            targetRelease: string | null;
            /** Format: uri */
            url: string;
            version: number;
        };
        AppCreate: {
            env?: components["schemas"]["Env"];
            labels?: components["schemas"]["Labels"];
            name: string;
            settings?: components["schemas"]["SettingsPatch"];
        };
        AppEvent: {
            /** Format: date-time */
            at: string;
            because: string | null;
            cause: string | null;
            detail: {
                [key: string]: string | number;
            };
            instance: string | null;
            /** @enum {string} */
            kind: "scaled" | "live" | "share" | "given-up" | "rolled-back" | "placed" | "ready" | "woken" | "frozen" | "standby" | "cold" | "draining" | "kept" | "revived" | "stopping" | "crashed" | "failed" | "gone";
        };
        AppEventPage: {
            items: components["schemas"]["AppEvent"][];
            nextCursor: string | null;
        };
        AppPage: {
            items: components["schemas"]["App"][];
            nextCursor: string | null;
        };
        AppPatch: {
            labels?: components["schemas"]["LabelsPatch"];
            settings?: components["schemas"]["SettingsPatch"];
        };
        AppStatus: {
            app: components["schemas"]["App"];
            instances: components["schemas"]["Instance"][];
            lastDeployment: components["schemas"]["Deployment"] | null;
        };
        AuditEntry: {
            actor: string;
            actorName: string;
            after: {
                [key: string]: unknown;
            } | null;
            /** Format: date-time */
            at: string;
            before: {
                [key: string]: unknown;
            } | null;
            detail: {
                [key: string]: unknown;
            };
            id: string;
            ip: string | null;
            requestId: string | null;
            target: string;
            verb: string;
        };
        AuditEntryPage: {
            items: components["schemas"]["AuditEntry"][];
            nextCursor: string | null;
        };
        AutoRollback: {
            /** @default 50 */
            maxErrorPercent?: number;
            /** @default 20 */
            minRequests?: number;
            /** @default 120000 */
            windowMs?: number;
        };
        BasicAuth: {
            passwordHash: string;
            user: string;
        };
        Build: {
            /** Format: date-time */
            createdAt: string;
            failure: components["schemas"]["Failure"] | null;
            /** Format: date-time */
            finishedAt: string | null;
            id: string;
            manifestDigest: string | null;
            /** Format: date-time */
            startedAt: string | null;
            /** @enum {string} */
            state: "queued" | "running" | "succeeded" | "failed" | "cancelled";
            timingsMs: {
                [key: string]: number;
            };
        };
        BuildLogEntry: {
            seq: number;
            step: number;
            /** @enum {string} */
            stream: "stdout" | "stderr" | "system";
            text: string;
            /** Format: date-time */
            time: string;
        };
        CliLogin: {
            code: string;
            /** @default false */
            create?: boolean;
            /** @default 7776000 */
            expiresInSeconds?: number;
            tenant?: string;
            tokenName: string;
            verifier: string;
        };
        CliLoginAnswer: {
            canCreateTenant: boolean;
            email: string;
            tenants: {
                name: string;
                /** @enum {string} */
                role: "owner" | "developer" | "viewer";
            }[];
            token: components["schemas"]["NewToken"] | null;
        };
        Container: {
            /** @enum {string} */
            kind: "init" | "sidecar";
            lastExit: {
                /** Format: date-time */
                at: string;
                code: number;
                memoryPeakBytes?: number;
                oomKilled: boolean;
            } | null;
            name: string;
            problem: {
                code: string;
                detail: string;
                logTail: string[];
            } | null;
            ready: boolean;
            restarts: number;
            /** @enum {string} */
            state: "waiting" | "starting" | "running" | "backing-off" | "completed" | "failed";
        };
        DeployConfig: {
            buildArgs?: components["schemas"]["Env"];
            /** @default Dockerfile */
            dockerfile?: string;
            env?: components["schemas"]["Env"];
            labels?: components["schemas"]["LabelsPatch"];
            settings?: components["schemas"]["SettingsPatch"];
            target?: string;
        };
        DeployImage: {
            env?: components["schemas"]["Env"];
            image: string;
            labels?: components["schemas"]["LabelsPatch"];
            settings?: components["schemas"]["SettingsPatch"];
        };
        Deployment: {
            alreadyLive: boolean;
            app: string;
            build: components["schemas"]["Build"] | null;
            /** Format: date-time */
            createdAt: string;
            failure: components["schemas"]["Failure"] | null;
            /** Format: date-time */
            finishedAt: string | null;
            id: string;
            instances: {
                id: string;
                node: string;
                /** @enum {string|null} */
                phase: "pulling" | "starting" | "ready" | "backing-off" | "stopping" | "stopped" | "failed" | "running" | "completed" | null;
            }[];
            reason: string;
            release: string | null;
            /** @enum {string} */
            state: "building" | "releasing" | "live" | "failed" | "cancelled";
            timingsMs: {
                [key: string]: number;
            };
            /** Format: uri */
            url: string;
        };
        DeploymentPage: {
            items: components["schemas"]["Deployment"][];
            nextCursor: string | null;
        };
        Domain: {
            app: string;
            /** Format: date-time */
            checkedAt: string | null;
            /** Format: date-time */
            createdAt: string;
            host: string;
            id: string;
            problem: string | null;
            record: {
                name: string;
                /** @enum {string} */
                type: "TXT";
                value: string;
            };
            target: string;
            verified: boolean;
            /** Format: date-time */
            verifiedAt: string | null;
        };
        DomainCreate: {
            host: string;
        };
        DomainPage: {
            items: components["schemas"]["Domain"][];
            nextCursor: string | null;
        };
        Egress: {
            allow: components["schemas"]["EgressRule"][];
        };
        EgressRule: {
            ports?: (number | string)[];
            /** @enum {string} */
            protocol?: "tcp" | "udp";
            to: string | "tenant";
        };
        /** @default {} */
        Env: {
            [key: string]: string;
        };
        EnvPatch: {
            [key: string]: string | null;
        };
        /** @enum {string} */
        ErrorCode: "invalid_request" | "unauthenticated" | "token_expired" | "forbidden" | "tenant_suspended" | "quota_exceeded" | "not_found" | "method_not_allowed" | "conflict" | "name_taken" | "not_cancellable" | "idempotency_mismatch" | "idempotency_in_flight" | "version_mismatch" | "payload_too_large" | "unsupported_media_type" | "invalid_name" | "invalid_config" | "rate_limited" | "internal" | "database_unavailable" | "queue_unavailable" | "storage_unavailable" | "secrets_unavailable" | "issuer_unavailable" | "node_unavailable" | "upgrade_required" | "instance_not_running" | "exec_failed" | "port_refused" | "too_many_sessions" | "session_idle" | "context_not_tar" | "context_truncated" | "context_escapes" | "context_too_large" | "dockerfile_missing" | "dockerfile_invalid" | "dockerfile_unsupported" | "build_secret_missing" | "base_image_not_found" | "build_failed" | "build_timeout" | "build_out_of_memory" | "build_disk_full" | "build_cancelled" | "build_lost" | "image_not_found" | "image_invalid" | "app_exited" | "app_not_listening" | "app_wrong_port" | "app_unhealthy" | "app_out_of_memory" | "init_failed" | "sidecar_failed" | "image_pull_failed" | "too_many_errors" | "no_capacity" | "superseded" | "deployment_cancelled" | "no_release" | "release_command_failed" | "command_failed" | "job_deadline" | "run_missed" | "run_cancelled" | "node_lost" | "volume_missing" | "volume_in_use" | "volume_busy" | "volume_empty" | "volumes_exist" | "volume_failed" | "volume_node_lost" | "unknown_host" | "wake_timeout" | "under_maintenance" | "address_not_allowed" | "password_required";
        ExchangedToken: {
            access_token: string;
            expires_in: number;
            /** @enum {string} */
            issued_token_type: "urn:ietf:params:oauth:token-type:access_token";
            scope: string;
            /** @enum {string} */
            token_type: "Bearer";
        };
        Explanation: {
            app: string;
            sentences: string[];
        };
        Failure: {
            code: components["schemas"]["ErrorCode"];
            detail: string;
            exitCode?: number;
            instruction?: string;
            line?: number;
            logTail?: string[];
            quota?: {
                asked: number;
                limit: string;
                max: number;
                used: number;
            };
        };
        IngressRule: {
            from: (string | "tenant")[];
            ports?: (number | string)[];
        };
        InitContainer: {
            appEnv?: boolean;
            command?: string[];
            /** @default 250 */
            cpuMillis?: number;
            env?: components["schemas"]["Env"];
            image?: string;
            /** @default 134217728 */
            memoryBytes?: number;
            name: string;
            /** @default 256 */
            pidsMax?: number;
            /**
             * @default on-failure
             * @enum {string}
             */
            restartPolicy?: "on-failure" | "never";
            /** @default 60000 */
            timeoutMs?: number;
        };
        Instance: {
            containers: components["schemas"]["Container"][];
            /** Format: date-time */
            createdAt: string;
            full: ("disk" | "inodes")[];
            id: string;
            lastExit: {
                /** Format: date-time */
                at: string;
                code: number;
                memoryPeakBytes?: number;
                oomKilled: boolean;
            } | null;
            node: string;
            /** @enum {string|null} */
            phase: "pulling" | "starting" | "ready" | "backing-off" | "stopping" | "stopped" | "failed" | "running" | "completed" | null;
            problem: {
                code: string;
                detail: string;
                logTail: string[];
            } | null;
            /** Format: date-time */
            readyAt: string | null;
            release: string;
            restarts: number;
            /** @enum {string} */
            state: "wanted" | "draining" | "warm" | "stopping" | "gone";
            temperature: {
                /** @enum {string|null} */
                cause: "idle" | "request" | "knock" | "memory-pressure" | "exec" | "schedule" | "kept-warm" | "rollback" | null;
                /** @enum {string} */
                is: "running" | "frozen" | "standby" | "cold";
                /** Format: date-time */
                since: string;
            } | null;
            timingsMs: {
                [key: string]: number;
            };
        };
        InstancePage: {
            items: components["schemas"]["Instance"][];
            nextCursor: string | null;
        };
        Invite: {
            /** Format: date-time */
            createdAt: string;
            email: string;
            /** Format: date-time */
            expiresAt: string;
            id: string;
            invitedBy: string;
            /** @enum {string} */
            role: "owner" | "developer" | "viewer";
        };
        InviteAccept: {
            secret: string;
        };
        InviteCreate: {
            /** Format: email */
            email: string;
            /** @default 604800 */
            expiresInSeconds?: number;
            /** @enum {string} */
            role: "owner" | "developer" | "viewer";
        };
        InvitePage: {
            items: components["schemas"]["Invite"][];
            nextCursor: string | null;
        };
        Job: {
            app: string;
            backoffMs: number;
            command: string[] | null;
            /** @enum {string} */
            concurrencyPolicy: "allow" | "forbid" | "replace";
            cpuMillis: number | null;
            /** Format: date-time */
            createdAt: string;
            deadlineMs: number;
            historyKeep: number;
            id: string;
            lastRun: {
                exitCode: number | null;
                /** Format: date-time */
                finishedAt: string | null;
                id: string;
                /** @enum {string} */
                state: "pending" | "running" | "succeeded" | "failed" | "cancelled" | "missed";
            } | null;
            memoryBytes: number | null;
            /** @enum {string} */
            missedRuns: "skip" | "run-once" | "run-all";
            name: string;
            /** Format: date-time */
            nextRunAt: string | null;
            parallelism: number;
            paused: boolean;
            retries: number;
            schedule: string | null;
            startingDeadlineMs: number;
            tasks: number;
            timeZone: string;
        };
        JobCreate: {
            /** @default 10000 */
            backoffMs?: number;
            command?: string[];
            /**
             * @default forbid
             * @enum {string}
             */
            concurrencyPolicy?: "allow" | "forbid" | "replace";
            cpuMillis?: number;
            /** @default 3600000 */
            deadlineMs?: number;
            /** @default 50 */
            historyKeep?: number;
            memoryBytes?: number;
            /**
             * @default run-once
             * @enum {string}
             */
            missedRuns?: "skip" | "run-once" | "run-all";
            name: string;
            /** @default 1 */
            parallelism?: number;
            /** @default false */
            paused?: boolean;
            /** @default 0 */
            retries?: number;
            /** @default null */
            schedule?: string | null;
            /** @default 3600000 */
            startingDeadlineMs?: number;
            /** @default 1 */
            tasks?: number;
            /** @default UTC */
            timeZone?: string;
        };
        JobPage: {
            items: components["schemas"]["Job"][];
            nextCursor: string | null;
        };
        JobPatch: {
            backoffMs?: number;
            command?: string[] | null;
            /** @enum {string} */
            concurrencyPolicy?: "allow" | "forbid" | "replace";
            cpuMillis?: number | null;
            deadlineMs?: number;
            historyKeep?: number;
            memoryBytes?: number | null;
            /** @enum {string} */
            missedRuns?: "skip" | "run-once" | "run-all";
            parallelism?: number;
            paused?: boolean;
            retries?: number;
            schedule?: string | null;
            startingDeadlineMs?: number;
            tasks?: number;
            timeZone?: string;
        };
        KeyRotate: {
            /** @default false */
            revoke?: boolean;
        };
        KeyRotation: {
            kid: string;
            retired: number;
        };
        Labels: {
            [key: string]: string;
        };
        /** @default {} */
        LabelsPatch: {
            [key: string]: string | null;
        };
        LogEntry: {
            container?: string;
            instanceId: string;
            /** @enum {string} */
            stream: "stdout" | "stderr" | "system";
            text: string;
            /** Format: date-time */
            time: string;
        };
        Maintenance: {
            /** @default 300 */
            retryAfterS?: number;
        };
        Member: {
            email: string;
            name: string;
            /** @enum {string} */
            role: "owner" | "developer" | "viewer";
            /** Format: date-time */
            since: string;
            userId: string;
        };
        MemberPage: {
            items: components["schemas"]["Member"][];
            nextCursor: string | null;
        };
        Mount: {
            path: string;
            /** @default false */
            readOnly?: boolean;
            /** @default false */
            shared?: boolean;
            sizeBytes?: number;
            volume: string;
        };
        NewInvite: {
            /** Format: date-time */
            createdAt: string;
            email: string;
            /** Format: date-time */
            expiresAt: string;
            id: string;
            invitedBy: string;
            /** Format: uri */
            link: string;
            /** @enum {string} */
            role: "owner" | "developer" | "viewer";
            secret: string;
        };
        NewToken: {
            app: string | null;
            /** Format: date-time */
            createdAt: string;
            createdBy: string;
            /** Format: date-time */
            expiresAt: string | null;
            id: string;
            /** @enum {string} */
            kind: "personal" | "deploy" | "operator";
            /** Format: date-time */
            lastUsedAt: string | null;
            name: string;
            replacedBy: string | null;
            /** Format: date-time */
            revokedAt: string | null;
            scopes: ("read" | "deploy" | "apps" | "config" | "logs" | "exec" | "usage" | "audit" | "admin")[];
            token: string;
            user: string | null;
        };
        Node: {
            address: string | null;
            cpuMillis: number | null;
            draining: boolean;
            facts: {
                [key: string]: string;
            };
            id: string;
            instances: number;
            isUp: boolean;
            /** Format: date-time */
            lastSeenAt: string | null;
            maxInstances: number | null;
            memoryBytes: number | null;
            name: string;
            schedulable: boolean;
            subnet: string | null;
        };
        NodeApp: {
            app: string;
            id: string;
            /** @description Instances that a drain moves to other nodes. */
            moves: number;
            /** @description Instances of runs: they end by themselves. */
            runs: number;
            /** @description Instances that mount a volume which is on this node: they stay with it. */
            stays: number;
            tenant: string;
            /** @description Volumes of it that are on this node, mounted or not. */
            volumes: string[];
        };
        NodeAppPage: {
            items: components["schemas"]["NodeApp"][];
            nextCursor: string | null;
        };
        NodePage: {
            items: components["schemas"]["Node"][];
            nextCursor: string | null;
        };
        NodePatch: {
            /** @description False: it takes no more instances, and keeps what it has. Either value ends a drain. */
            schedulable?: boolean;
        };
        NodeToken: {
            expiresInSeconds: number;
            token: string;
        };
        OperatorTokenCreate: {
            expiresInSeconds?: number;
            name: string;
        };
        OwnTenant: {
            name: string;
        };
        Plan: {
            /** Format: date-time */
            createdAt: string;
            limits: {
                apps?: number;
                buildMinutesMonth?: number;
                buildsAtOnce?: number;
                buildsQueued?: number;
                cpuMillis?: number;
                domains?: number;
                egressBytesMonth?: number;
                instances?: number;
                members?: number;
                memoryBytes?: number;
                requestsMinute?: number;
                secrets?: number;
                storageBytes?: number;
                tokens?: number;
                uploadBytes?: number;
                volumeBytes?: number;
            };
            name: string;
            tenants: number;
        };
        PlanPage: {
            items: components["schemas"]["Plan"][];
            nextCursor: string | null;
        };
        PlanPut: {
            limits: {
                apps?: number;
                buildMinutesMonth?: number;
                buildsAtOnce?: number;
                buildsQueued?: number;
                cpuMillis?: number;
                domains?: number;
                egressBytesMonth?: number;
                instances?: number;
                members?: number;
                memoryBytes?: number;
                requestsMinute?: number;
                secrets?: number;
                storageBytes?: number;
                tokens?: number;
                uploadBytes?: number;
                volumeBytes?: number;
            };
        };
        Preview: {
            app: components["schemas"]["App"];
            /** Format: date-time */
            expiresAt: string;
            name: string;
            of: string;
        };
        PreviewPage: {
            items: components["schemas"]["Preview"][];
            nextCursor: string | null;
        };
        PreviewPut: {
            /** @default 604800000 */
            expiresInMs?: number;
        };
        Problem: {
            code: components["schemas"]["ErrorCode"];
            detail: string;
            errors?: {
                message: string;
                path: string;
            }[];
            exitCode?: number;
            instance?: string;
            instruction?: string;
            line?: number;
            logTail?: string[];
            quota?: {
                asked: number;
                limit: string;
                max: number;
                used: number;
            };
            requestId?: string;
            status: number;
            title: string;
            type: string;
        };
        Promote: {
            from: string;
            release?: string;
        };
        QuotaList: {
            items: {
                limit: number;
                /** @enum {string} */
                name: "apps" | "instances" | "cpuMillis" | "memoryBytes" | "storageBytes" | "volumeBytes" | "buildsAtOnce" | "buildsQueued" | "buildMinutesMonth" | "egressBytesMonth" | "uploadBytes" | "domains" | "tokens" | "members" | "secrets" | "requestsMinute";
                used: number | null;
            }[];
            plan: string | null;
        };
        RateLimit: {
            /**
             * @default address
             * @enum {string}
             */
            by?: "address" | "app";
            periodMs: number;
            requests: number;
        };
        Recheck: {
            /** @default 3 */
            failures?: number;
            /** @default 10000 */
            periodMs?: number;
            /** @default 1 */
            successes?: number;
            /** @default 2000 */
            timeoutMs?: number;
        };
        Release: {
            /** Format: date-time */
            createdAt: string;
            envNames: string[];
            id: string;
            live: boolean;
            /** Format: date-time */
            liveAt: string | null;
            manifestDigest: string;
            name: string;
            reason: string;
            secrets: {
                /** @enum {string} */
                kind: "env" | "file";
                name: string;
                version: number;
            }[];
            settings: components["schemas"]["Settings"];
        };
        ReleaseCommand: {
            command: string[];
            /** @default 600000 */
            timeoutMs?: number;
        };
        ReleasePage: {
            items: components["schemas"]["Release"][];
            nextCursor: string | null;
        };
        RequestFeatures: {
            allowFrom?: (string)[];
            basicAuth?: components["schemas"]["BasicAuth"];
            compression?: boolean;
            errorPages?: {
                502?: string;
                503?: string;
                504?: string;
            };
            /** @enum {string} */
            protocol?: "http1" | "h2c";
            rateLimit?: components["schemas"]["RateLimit"];
            socketIdleMs?: number;
            sticky?: boolean;
        };
        /** @enum {string} */
        RestartPolicy: "always" | "on-failure" | "never";
        RolePut: {
            /** @enum {string} */
            role: "owner" | "developer" | "viewer";
        };
        Rollback: {
            release?: string;
        };
        Run: {
            app: string;
            attempts: number;
            command: string[] | null;
            cpuMillis: number;
            /** Format: date-time */
            createdAt: string;
            deadlineMs: number;
            exitCode: number | null;
            failure: components["schemas"]["Failure"] | null;
            /** Format: date-time */
            finishedAt: string | null;
            id: string;
            instances: {
                attempt: number;
                id: string;
                node: string;
                phase: string | null;
                task: number;
            }[];
            job: string | null;
            memoryBytes: number;
            release: string | null;
            /** Format: date-time */
            scheduledFor: string | null;
            /** Format: date-time */
            startedAt: string | null;
            /** @enum {string} */
            state: "pending" | "running" | "succeeded" | "failed" | "cancelled" | "missed";
            tasks: {
                failed: number;
                running: number;
                succeeded: number;
                total: number;
            };
            /** @enum {string} */
            trigger: "once" | "manual" | "schedule" | "release";
            waiting: string | null;
        };
        RunCreate: {
            /** @default 10000 */
            backoffMs?: number;
            command?: string[];
            cpuMillis?: number;
            /** @default 3600000 */
            deadlineMs?: number;
            memoryBytes?: number;
            /** @default 1 */
            parallelism?: number;
            /** @default 0 */
            retries?: number;
            /** @default 1 */
            tasks?: number;
        };
        RunPage: {
            items: components["schemas"]["Run"][];
            nextCursor: string | null;
        };
        Scaling: {
            cpuPercent?: number;
            /** @default 604800000 */
            idleMs: number;
            inFlight?: number;
            /** @default 10 */
            max: number;
            memoryPercent?: number;
            /** @default 0 */
            min: number;
            ratePerSecond?: number;
            schedule?: components["schemas"]["ScheduledMin"][];
        };
        ScheduledMin: {
            days?: ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
            from: string;
            min: number;
            /** @default UTC */
            timeZone?: string;
            to: string;
        };
        Scratch: {
            path: string;
            sizeBytes: number;
        };
        Secret: {
            /** Format: date-time */
            createdAt: string;
            /** @enum {string} */
            kind: "env" | "file" | "build";
            name: string;
            shared: boolean;
            /** Format: date-time */
            updatedAt: string;
            version: number;
        };
        SecretChange: {
            deployments: {
                app: string;
                id: string;
            }[];
            secret: components["schemas"]["Secret"] | null;
        };
        SecretPage: {
            items: components["schemas"]["Secret"][];
            nextCursor: string | null;
        };
        SecretPut: {
            /**
             * @default utf8
             * @enum {string}
             */
            encoding?: "utf8" | "base64";
            /** @enum {string} */
            kind: "env" | "file" | "build";
            value: string;
        };
        Session: {
            canCreateTenant: boolean;
            csrfToken: string;
            /** Format: date-time */
            expiresAt: string;
            /** Format: date-time */
            renewBefore: string;
            tenant: string | null;
            tenants: {
                name: string;
                /** @enum {string} */
                role: "owner" | "developer" | "viewer";
            }[];
            user: {
                email: string;
                id: string;
                name: string;
            };
        };
        SessionPut: {
            tenant: string;
        };
        Settings: {
            autoRollback?: components["schemas"]["AutoRollback"];
            command?: string[];
            /** @default 80 */
            concurrency: number;
            /** @default 1000 */
            cpuMillis: number;
            /** @default 1073741824 */
            diskBytes: number;
            egress?: components["schemas"]["Egress"];
            egressBytesPerSecond?: number;
            freezeAfterMs?: number;
            http?: components["schemas"]["RequestFeatures"];
            ingress?: components["schemas"]["IngressRule"][];
            init?: components["schemas"]["InitContainer"][];
            /** @default 65536 */
            inodesMax: number;
            /** @default 268435456 */
            ioBytesPerSecond: number;
            /** @default 8000 */
            ioOperationsPerSecond: number;
            /**
             * @default crun
             * @enum {string}
             */
            isolation: "crun" | "gvisor";
            keepWarmMs?: number;
            liveness?: {
                /** @default 3 */
                failures?: number;
                /** @enum {string} */
                kind: "tcp";
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                /** @default 3 */
                failures?: number;
                /** @enum {string} */
                kind: "http";
                path: string;
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                /** @default 3 */
                failures?: number;
                /** @enum {string} */
                kind: "grpc";
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                service?: string;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                command: string[];
                /** @default 3 */
                failures?: number;
                /** @enum {string} */
                kind: "exec";
                /** @default 10000 */
                periodMs?: number;
                /** @default 2000 */
                timeoutMs?: number;
            };
            /** @default 16777216 */
            logBytes: number;
            /** @default 536870912 */
            memoryBytes: number;
            mounts?: components["schemas"]["Mount"][];
            /** @default 1024 */
            pidsMax: number;
            port?: number;
            preStop?: {
                /** @enum {string} */
                kind: "http";
                path: string;
                port?: number;
            } | {
                command: string[];
                /** @enum {string} */
                kind: "exec";
            };
            private?: boolean;
            /**
             * @default {
             *       "kind": "tcp"
             *     }
             */
            readiness: {
                /** @enum {string} */
                kind: "tcp";
                port?: number;
                recheck?: components["schemas"]["Recheck"];
            } | {
                /** @enum {string} */
                kind: "http";
                path: string;
                port?: number;
                recheck?: components["schemas"]["Recheck"];
            } | {
                /** @enum {string} */
                kind: "grpc";
                port?: number;
                recheck?: components["schemas"]["Recheck"];
                service?: string;
            } | {
                command: string[];
                /** @enum {string} */
                kind: "exec";
                recheck?: components["schemas"]["Recheck"];
            };
            /** @default 60000 */
            readyTimeoutMs: number;
            releaseCommand?: components["schemas"]["ReleaseCommand"];
            /** @default 1 */
            replicas: number;
            /** @default 300000 */
            requestTimeoutMs: number;
            restartPolicy?: components["schemas"]["RestartPolicy"];
            scaling?: components["schemas"]["Scaling"];
            scratch?: components["schemas"]["Scratch"][];
            /** @default 67108864 */
            shmBytes: number;
            sidecars?: components["schemas"]["Sidecar"][];
            startup?: {
                /** @default 30 */
                failures?: number;
                /** @enum {string} */
                kind: "tcp";
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                /** @default 30 */
                failures?: number;
                /** @enum {string} */
                kind: "http";
                path: string;
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                /** @default 30 */
                failures?: number;
                /** @enum {string} */
                kind: "grpc";
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                service?: string;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                command: string[];
                /** @default 30 */
                failures?: number;
                /** @enum {string} */
                kind: "exec";
                /** @default 10000 */
                periodMs?: number;
                /** @default 2000 */
                timeoutMs?: number;
            };
            startupCpuMillis?: number;
            /** @default 30000 */
            stopGraceMs: number;
            strategy?: components["schemas"]["Strategy"];
        };
        /** @default {} */
        SettingsPatch: {
            autoRollback?: components["schemas"]["AutoRollback"] | null;
            command?: string[] | null;
            concurrency?: number;
            cpuMillis?: number;
            diskBytes?: number;
            egress?: components["schemas"]["Egress"] | null;
            egressBytesPerSecond?: number | null;
            freezeAfterMs?: number | null;
            http?: {
                allowFrom?: (string)[] | null;
                basicAuth?: components["schemas"]["BasicAuth"] | null;
                compression?: boolean | null;
                errorPages?: {
                    502?: string;
                    503?: string;
                    504?: string;
                } | null;
                /** @enum {string|null} */
                protocol?: "http1" | "h2c" | null;
                rateLimit?: components["schemas"]["RateLimit"] | null;
                socketIdleMs?: number | null;
                sticky?: boolean | null;
            } | null;
            ingress?: components["schemas"]["IngressRule"][] | null;
            init?: components["schemas"]["InitContainer"][] | null;
            inodesMax?: number;
            ioBytesPerSecond?: number;
            ioOperationsPerSecond?: number;
            /** @enum {string} */
            isolation?: "crun" | "gvisor";
            keepWarmMs?: number | null;
            liveness?: {
                /** @default 3 */
                failures?: number;
                /** @enum {string} */
                kind: "tcp";
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                /** @default 3 */
                failures?: number;
                /** @enum {string} */
                kind: "http";
                path: string;
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                /** @default 3 */
                failures?: number;
                /** @enum {string} */
                kind: "grpc";
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                service?: string;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                command: string[];
                /** @default 3 */
                failures?: number;
                /** @enum {string} */
                kind: "exec";
                /** @default 10000 */
                periodMs?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | null;
            logBytes?: number;
            memoryBytes?: number;
            mounts?: components["schemas"]["Mount"][] | null;
            pidsMax?: number;
            port?: number | null;
            preStop?: {
                /** @enum {string} */
                kind: "http";
                path: string;
                port?: number;
            } | {
                command: string[];
                /** @enum {string} */
                kind: "exec";
            } | null;
            private?: boolean | null;
            readiness?: {
                /** @enum {string} */
                kind: "tcp";
                port?: number;
                recheck?: components["schemas"]["Recheck"];
            } | {
                /** @enum {string} */
                kind: "http";
                path: string;
                port?: number;
                recheck?: components["schemas"]["Recheck"];
            } | {
                /** @enum {string} */
                kind: "grpc";
                port?: number;
                recheck?: components["schemas"]["Recheck"];
                service?: string;
            } | {
                command: string[];
                /** @enum {string} */
                kind: "exec";
                recheck?: components["schemas"]["Recheck"];
            };
            readyTimeoutMs?: number;
            releaseCommand?: components["schemas"]["ReleaseCommand"] | null;
            replicas?: number;
            requestTimeoutMs?: number;
            restartPolicy?: components["schemas"]["RestartPolicy"] | null;
            scaling?: {
                cpuPercent?: number | null;
                idleMs?: number | null;
                inFlight?: number | null;
                max?: number | null;
                memoryPercent?: number | null;
                min?: number | null;
                ratePerSecond?: number | null;
                schedule?: components["schemas"]["ScheduledMin"][] | null;
            } | null;
            scratch?: components["schemas"]["Scratch"][] | null;
            shmBytes?: number;
            sidecars?: components["schemas"]["Sidecar"][] | null;
            startup?: {
                /** @default 30 */
                failures?: number;
                /** @enum {string} */
                kind: "tcp";
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                /** @default 30 */
                failures?: number;
                /** @enum {string} */
                kind: "http";
                path: string;
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                /** @default 30 */
                failures?: number;
                /** @enum {string} */
                kind: "grpc";
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                service?: string;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                command: string[];
                /** @default 30 */
                failures?: number;
                /** @enum {string} */
                kind: "exec";
                /** @default 10000 */
                periodMs?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | null;
            startupCpuMillis?: number | null;
            stopGraceMs?: number;
            strategy?: components["schemas"]["Strategy"];
        };
        SharedEnvChange: {
            deployments: {
                app: string;
                id: string;
            }[];
            env: {
                [key: string]: string;
            };
        };
        Sidecar: {
            appEnv?: boolean;
            command?: string[];
            /** @default 250 */
            cpuMillis?: number;
            env?: components["schemas"]["Env"];
            image?: string;
            liveness?: {
                /** @default 3 */
                failures?: number;
                /** @enum {string} */
                kind: "tcp";
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                /** @default 3 */
                failures?: number;
                /** @enum {string} */
                kind: "http";
                path: string;
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                /** @default 3 */
                failures?: number;
                /** @enum {string} */
                kind: "grpc";
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                service?: string;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                command: string[];
                /** @default 3 */
                failures?: number;
                /** @enum {string} */
                kind: "exec";
                /** @default 10000 */
                periodMs?: number;
                /** @default 2000 */
                timeoutMs?: number;
            };
            /** @default 134217728 */
            memoryBytes?: number;
            name: string;
            /** @default 256 */
            pidsMax?: number;
            preStop?: {
                /** @enum {string} */
                kind: "http";
                path: string;
                port?: number;
            } | {
                command: string[];
                /** @enum {string} */
                kind: "exec";
            };
            readiness?: {
                /** @enum {string} */
                kind: "tcp";
                port?: number;
                recheck?: components["schemas"]["Recheck"];
            } | {
                /** @enum {string} */
                kind: "http";
                path: string;
                port?: number;
                recheck?: components["schemas"]["Recheck"];
            } | {
                /** @enum {string} */
                kind: "grpc";
                port?: number;
                recheck?: components["schemas"]["Recheck"];
                service?: string;
            } | {
                command: string[];
                /** @enum {string} */
                kind: "exec";
                recheck?: components["schemas"]["Recheck"];
            };
            restartPolicy?: components["schemas"]["RestartPolicy"];
            startup?: {
                /** @default 30 */
                failures?: number;
                /** @enum {string} */
                kind: "tcp";
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                /** @default 30 */
                failures?: number;
                /** @enum {string} */
                kind: "http";
                path: string;
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                /** @default 30 */
                failures?: number;
                /** @enum {string} */
                kind: "grpc";
                /** @default 10000 */
                periodMs?: number;
                port?: number;
                service?: string;
                /** @default 2000 */
                timeoutMs?: number;
            } | {
                command: string[];
                /** @default 30 */
                failures?: number;
                /** @enum {string} */
                kind: "exec";
                /** @default 10000 */
                periodMs?: number;
                /** @default 2000 */
                timeoutMs?: number;
            };
        };
        Strategy: {
            /** @enum {string} */
            kind: "blue-green";
        } | {
            /** @enum {string} */
            kind: "rolling";
            /** @default 25% */
            maxSurge?: number | string;
            /** @default 0 */
            maxUnavailable?: number | string;
        } | {
            /** @enum {string} */
            kind: "canary";
            pin?: ("header" | "cookie")[];
            steps: {
                holdMs: number;
                percent: number;
            }[];
        };
        Tenant: {
            apps: number;
            /** Format: date-time */
            createdAt: string;
            id: string;
            limits: {
                apps?: number;
                buildMinutesMonth?: number;
                buildsAtOnce?: number;
                buildsQueued?: number;
                cpuMillis?: number;
                domains?: number;
                egressBytesMonth?: number;
                instances?: number;
                members?: number;
                memoryBytes?: number;
                requestsMinute?: number;
                secrets?: number;
                storageBytes?: number;
                tokens?: number;
                uploadBytes?: number;
                volumeBytes?: number;
            };
            members: number;
            name: string;
            plan: string | null;
            /** Format: date-time */
            suspendedAt: string | null;
        };
        TenantCreate: {
            name: string;
            plan?: string;
        };
        TenantPage: {
            items: components["schemas"]["Tenant"][];
            nextCursor: string | null;
        };
        TenantPlanPut: {
            limits: {
                apps?: number;
                buildMinutesMonth?: number;
                buildsAtOnce?: number;
                buildsQueued?: number;
                cpuMillis?: number;
                domains?: number;
                egressBytesMonth?: number;
                instances?: number;
                members?: number;
                memoryBytes?: number;
                requestsMinute?: number;
                secrets?: number;
                storageBytes?: number;
                tokens?: number;
                uploadBytes?: number;
                volumeBytes?: number;
            };
            plan: string | null;
        };
        TenantTokenCreate: {
            expiresInSeconds?: number;
            name: string;
            scopes: ("read" | "deploy" | "apps" | "config" | "logs" | "exec" | "usage" | "audit" | "admin")[];
        };
        Token: {
            app: string | null;
            /** Format: date-time */
            createdAt: string;
            createdBy: string;
            /** Format: date-time */
            expiresAt: string | null;
            id: string;
            /** @enum {string} */
            kind: "personal" | "deploy" | "operator";
            /** Format: date-time */
            lastUsedAt: string | null;
            name: string;
            replacedBy: string | null;
            /** Format: date-time */
            revokedAt: string | null;
            scopes: ("read" | "deploy" | "apps" | "config" | "logs" | "exec" | "usage" | "audit" | "admin")[];
            user: string | null;
        };
        TokenCreate: {
            app?: string;
            expiresInSeconds?: number;
            /**
             * @default deploy
             * @enum {string}
             */
            kind?: "personal" | "deploy";
            name: string;
            scopes: ("read" | "deploy" | "apps" | "config" | "logs" | "exec" | "usage" | "audit" | "admin")[];
        };
        TokenExchange: {
            audience: string;
            /** @enum {string} */
            grant_type: "urn:ietf:params:oauth:grant-type:token-exchange";
            /** @enum {string} */
            requested_token_type?: "urn:ietf:params:oauth:token-type:access_token";
            scope?: string;
            subject_token: string;
            /** @enum {string} */
            subject_token_type: "urn:ietf:params:oauth:token-type:id_token" | "urn:ietf:params:oauth:token-type:jwt";
        };
        TokenPage: {
            items: components["schemas"]["Token"][];
            nextCursor: string | null;
        };
        TokenRotate: {
            expiresInSeconds?: number;
            /** @default 86400 */
            overlapSeconds?: number;
        };
        Trust: {
            app: string | null;
            audience: string;
            claims: {
                [key: string]: string;
            };
            /** Format: date-time */
            createdAt: string;
            id: string;
            issuer: string;
            name: string;
            scopes: ("read" | "deploy" | "apps" | "config" | "logs" | "exec" | "usage" | "audit" | "admin")[];
        };
        TrustCreate: {
            app?: string;
            audience: string;
            claims: {
                [key: string]: string;
            };
            /** Format: uri */
            issuer: string;
            name: string;
            scopes: ("read" | "deploy" | "apps" | "config" | "logs" | "exec" | "usage" | "audit" | "admin")[];
        };
        TrustPage: {
            items: components["schemas"]["Trust"][];
            nextCursor: string | null;
        };
        Usage: {
            app: {
                id: string;
                name: string;
            } | null;
            buildSeconds: number;
            cpuSeconds: number;
            egressBytes: number;
            /** Format: date-time */
            from: string;
            ingressBytes: number;
            memoryByteSeconds: number;
            requests: number;
            storageByteHours: number;
        };
        UsagePage: {
            items: components["schemas"]["Usage"][];
            nextCursor: string | null;
        };
        Volume: {
            actualSizeBytes: number | null;
            app: string;
            /** Format: date-time */
            createdAt: string;
            id: string;
            /** Format: date-time */
            lastSnapshotAt: string | null;
            mounts: {
                path: string;
                readOnly: boolean;
            }[];
            name: string;
            node: string | null;
            operation: {
                id: string;
                /** @enum {string} */
                kind: "snapshot" | "restore" | "move";
                /** @enum {string} */
                state: "queued" | "stopping" | "snapshotting" | "fetching" | "done" | "failed";
            } | null;
            problem: components["schemas"]["Failure"] | null;
            sizeBytes: number;
            /** @enum {string} */
            state: "new" | "ready" | "node-lost" | "deleting";
            usedBytes: number | null;
        };
        VolumeCreate: {
            name: string;
            sizeBytes: number;
        };
        VolumeOperation: {
            /** Format: date-time */
            createdAt: string;
            failure: components["schemas"]["Failure"] | null;
            /** Format: date-time */
            finishedAt: string | null;
            id: string;
            /** @enum {string} */
            kind: "snapshot" | "restore" | "move";
            snapshot: string | null;
            /** @enum {string} */
            state: "queued" | "stopping" | "snapshotting" | "fetching" | "done" | "failed";
            toNode: string | null;
            volume: string;
        };
        VolumeOperationCreate: {
            /** @enum {string} */
            kind: "snapshot";
        } | {
            /** @enum {string} */
            kind: "restore";
            node?: string;
            snapshot: string;
        } | {
            /** @enum {string} */
            kind: "move";
            node: string;
        };
        VolumeOperationPage: {
            items: components["schemas"]["VolumeOperation"][];
            nextCursor: string | null;
        };
        VolumePage: {
            items: components["schemas"]["Volume"][];
            nextCursor: string | null;
        };
        VolumeResize: {
            sizeBytes: number;
        };
        VolumeSnapshot: {
            /** Format: date-time */
            createdAt: string;
            digest: string | null;
            /** Format: date-time */
            expiresAt: string | null;
            failure: components["schemas"]["Failure"] | null;
            id: string;
            /** @enum {string} */
            reason: "manual" | "daily" | "move";
            sizeBytes: number | null;
            /** @enum {string} */
            state: "taking" | "ready" | "failed" | "removing";
            volume: string;
            volumeSizeBytes: number;
        };
        VolumeSnapshotPage: {
            items: components["schemas"]["VolumeSnapshot"][];
            nextCursor: string | null;
        };
        Whoami: {
            app: string | null;
            registry: string;
            scopes: ("read" | "deploy" | "apps" | "config" | "logs" | "exec" | "usage" | "audit" | "admin")[];
            tenant: {
                id: string;
                name: string;
            };
            token: {
                /** Format: date-time */
                expiresAt: string | null;
                id: string;
                /** @enum {string} */
                kind: "personal" | "deploy" | "operator";
                name: string;
            } | null;
            user: {
                id: string;
                /** @enum {string} */
                role: "owner" | "developer" | "viewer";
            } | null;
        };
    };
    responses: {
        /** @description Something broke on our side */
        Broken: {
            headers: {
                RateLimit: components["headers"]["RateLimit"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description It was changed since it was read */
        Changed: {
            headers: {
                RateLimit: components["headers"]["RateLimit"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description It conflicts with the present state */
        Conflict: {
            headers: {
                RateLimit: components["headers"]["RateLimit"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The token may not do this, the plan does not allow it, or the tenant is suspended */
        Forbidden: {
            headers: {
                RateLimit: components["headers"]["RateLimit"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request is not valid: `errors` names each field */
        Invalid: {
            headers: {
                RateLimit: components["headers"]["RateLimit"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no such thing, or it belongs to somebody else */
        NotFound: {
            headers: {
                RateLimit: components["headers"]["RateLimit"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is too large */
        TooLarge: {
            headers: {
                RateLimit: components["headers"]["RateLimit"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Too many requests: wait as long as `Retry-After` says */
        TooMany: {
            headers: {
                RateLimit: components["headers"]["RateLimit"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                "Retry-After": components["headers"]["Retry-After"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The token is missing, wrong, revoked or expired */
        Unauthenticated: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description A store is away: wait as long as `Retry-After` says */
        Unavailable: {
            headers: {
                RateLimit: components["headers"]["RateLimit"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                "Retry-After": components["headers"]["Retry-After"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description What was sent cannot be used: `errors` names each field */
        Unusable: {
            headers: {
                RateLimit: components["headers"]["RateLimit"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The content type is not accepted */
        WrongType: {
            headers: {
                RateLimit: components["headers"]["RateLimit"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: {
        /** @description For `If-Match` and `If-None-Match`. */
        ETag: string;
        /** @description `true`: this is the answer of the first request with this key. */
        "Idempotency-Replayed": string;
        /** @description Path of what was made. */
        Location: string;
        /** @description What is left of each limit: `"token";r=299;t=60` (draft-ietf-httpapi-ratelimit-headers). */
        RateLimit: string;
        /** @description The limits that hold: `"token";q=300;w=60`. */
        "RateLimit-Policy": string;
        /** @description Seconds to wait before the request is sent again. */
        "Retry-After": number;
        /** @description Names the request in logs and errors: the client's own, or a new one. */
        "X-Request-Id": string;
    };
    pathItems: never;
}
export type App = components['schemas']['App'];
export type AppCreate = components['schemas']['AppCreate'];
export type AppEvent = components['schemas']['AppEvent'];
export type AppEventPage = components['schemas']['AppEventPage'];
export type AppPage = components['schemas']['AppPage'];
export type AppPatch = components['schemas']['AppPatch'];
export type AppStatus = components['schemas']['AppStatus'];
export type AuditEntry = components['schemas']['AuditEntry'];
export type AuditEntryPage = components['schemas']['AuditEntryPage'];
export type AutoRollback = components['schemas']['AutoRollback'];
export type BasicAuth = components['schemas']['BasicAuth'];
export type Build = components['schemas']['Build'];
export type BuildLogEntry = components['schemas']['BuildLogEntry'];
export type CliLogin = components['schemas']['CliLogin'];
export type CliLoginAnswer = components['schemas']['CliLoginAnswer'];
export type Container = components['schemas']['Container'];
export type DeployConfig = components['schemas']['DeployConfig'];
export type DeployImage = components['schemas']['DeployImage'];
export type Deployment = components['schemas']['Deployment'];
export type DeploymentPage = components['schemas']['DeploymentPage'];
export type Domain = components['schemas']['Domain'];
export type DomainCreate = components['schemas']['DomainCreate'];
export type DomainPage = components['schemas']['DomainPage'];
export type Egress = components['schemas']['Egress'];
export type EgressRule = components['schemas']['EgressRule'];
export type Env = components['schemas']['Env'];
export type EnvPatch = components['schemas']['EnvPatch'];
export type ErrorCode = components['schemas']['ErrorCode'];
export type ExchangedToken = components['schemas']['ExchangedToken'];
export type Explanation = components['schemas']['Explanation'];
export type Failure = components['schemas']['Failure'];
export type IngressRule = components['schemas']['IngressRule'];
export type InitContainer = components['schemas']['InitContainer'];
export type Instance = components['schemas']['Instance'];
export type InstancePage = components['schemas']['InstancePage'];
export type Invite = components['schemas']['Invite'];
export type InviteAccept = components['schemas']['InviteAccept'];
export type InviteCreate = components['schemas']['InviteCreate'];
export type InvitePage = components['schemas']['InvitePage'];
export type Job = components['schemas']['Job'];
export type JobCreate = components['schemas']['JobCreate'];
export type JobPage = components['schemas']['JobPage'];
export type JobPatch = components['schemas']['JobPatch'];
export type KeyRotate = components['schemas']['KeyRotate'];
export type KeyRotation = components['schemas']['KeyRotation'];
export type Labels = components['schemas']['Labels'];
export type LabelsPatch = components['schemas']['LabelsPatch'];
export type LogEntry = components['schemas']['LogEntry'];
export type Maintenance = components['schemas']['Maintenance'];
export type Member = components['schemas']['Member'];
export type MemberPage = components['schemas']['MemberPage'];
export type Mount = components['schemas']['Mount'];
export type NewInvite = components['schemas']['NewInvite'];
export type NewToken = components['schemas']['NewToken'];
export type Node = components['schemas']['Node'];
export type NodeApp = components['schemas']['NodeApp'];
export type NodeAppPage = components['schemas']['NodeAppPage'];
export type NodePage = components['schemas']['NodePage'];
export type NodePatch = components['schemas']['NodePatch'];
export type NodeToken = components['schemas']['NodeToken'];
export type OperatorTokenCreate = components['schemas']['OperatorTokenCreate'];
export type OwnTenant = components['schemas']['OwnTenant'];
export type Plan = components['schemas']['Plan'];
export type PlanPage = components['schemas']['PlanPage'];
export type PlanPut = components['schemas']['PlanPut'];
export type Preview = components['schemas']['Preview'];
export type PreviewPage = components['schemas']['PreviewPage'];
export type PreviewPut = components['schemas']['PreviewPut'];
export type Problem = components['schemas']['Problem'];
export type Promote = components['schemas']['Promote'];
export type QuotaList = components['schemas']['QuotaList'];
export type RateLimit = components['schemas']['RateLimit'];
export type Recheck = components['schemas']['Recheck'];
export type Release = components['schemas']['Release'];
export type ReleaseCommand = components['schemas']['ReleaseCommand'];
export type ReleasePage = components['schemas']['ReleasePage'];
export type RequestFeatures = components['schemas']['RequestFeatures'];
export type RestartPolicy = components['schemas']['RestartPolicy'];
export type RolePut = components['schemas']['RolePut'];
export type Rollback = components['schemas']['Rollback'];
export type Run = components['schemas']['Run'];
export type RunCreate = components['schemas']['RunCreate'];
export type RunPage = components['schemas']['RunPage'];
export type Scaling = components['schemas']['Scaling'];
export type ScheduledMin = components['schemas']['ScheduledMin'];
export type Scratch = components['schemas']['Scratch'];
export type Secret = components['schemas']['Secret'];
export type SecretChange = components['schemas']['SecretChange'];
export type SecretPage = components['schemas']['SecretPage'];
export type SecretPut = components['schemas']['SecretPut'];
export type Session = components['schemas']['Session'];
export type SessionPut = components['schemas']['SessionPut'];
export type Settings = components['schemas']['Settings'];
export type SettingsPatch = components['schemas']['SettingsPatch'];
export type SharedEnvChange = components['schemas']['SharedEnvChange'];
export type Sidecar = components['schemas']['Sidecar'];
export type Strategy = components['schemas']['Strategy'];
export type Tenant = components['schemas']['Tenant'];
export type TenantCreate = components['schemas']['TenantCreate'];
export type TenantPage = components['schemas']['TenantPage'];
export type TenantPlanPut = components['schemas']['TenantPlanPut'];
export type TenantTokenCreate = components['schemas']['TenantTokenCreate'];
export type Token = components['schemas']['Token'];
export type TokenCreate = components['schemas']['TokenCreate'];
export type TokenExchange = components['schemas']['TokenExchange'];
export type TokenPage = components['schemas']['TokenPage'];
export type TokenRotate = components['schemas']['TokenRotate'];
export type Trust = components['schemas']['Trust'];
export type TrustCreate = components['schemas']['TrustCreate'];
export type TrustPage = components['schemas']['TrustPage'];
export type Usage = components['schemas']['Usage'];
export type UsagePage = components['schemas']['UsagePage'];
export type Volume = components['schemas']['Volume'];
export type VolumeCreate = components['schemas']['VolumeCreate'];
export type VolumeOperation = components['schemas']['VolumeOperation'];
export type VolumeOperationCreate = components['schemas']['VolumeOperationCreate'];
export type VolumeOperationPage = components['schemas']['VolumeOperationPage'];
export type VolumePage = components['schemas']['VolumePage'];
export type VolumeResize = components['schemas']['VolumeResize'];
export type VolumeSnapshot = components['schemas']['VolumeSnapshot'];
export type VolumeSnapshotPage = components['schemas']['VolumeSnapshotPage'];
export type Whoami = components['schemas']['Whoami'];
export type ResponseBroken = components['responses']['Broken'];
export type ResponseChanged = components['responses']['Changed'];
export type ResponseConflict = components['responses']['Conflict'];
export type ResponseForbidden = components['responses']['Forbidden'];
export type ResponseInvalid = components['responses']['Invalid'];
export type ResponseNotFound = components['responses']['NotFound'];
export type ResponseTooLarge = components['responses']['TooLarge'];
export type ResponseTooMany = components['responses']['TooMany'];
export type ResponseUnauthenticated = components['responses']['Unauthenticated'];
export type ResponseUnavailable = components['responses']['Unavailable'];
export type ResponseUnusable = components['responses']['Unusable'];
export type ResponseWrongType = components['responses']['WrongType'];
export type HeaderETag = components['headers']['ETag'];
export type HeaderIdempotencyReplayed = components['headers']['Idempotency-Replayed'];
export type HeaderLocation = components['headers']['Location'];
export type HeaderRateLimit = components['headers']['RateLimit'];
export type HeaderRateLimitPolicy = components['headers']['RateLimit-Policy'];
export type HeaderRetryAfter = components['headers']['Retry-After'];
export type HeaderXRequestId = components['headers']['X-Request-Id'];
export type $defs = Record<string, never>;
export interface operations {
    listApps: {
        parameters: {
            query?: {
                cursor?: string;
                label?: string[];
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of apps */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AppPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    createApp: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AppCreate"];
            };
        };
        responses: {
            /** @description The new app */
            201: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    Location: components["headers"]["Location"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["App"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getApp: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `ETag` of what the client has: answered with 304 when it is still so. */
                "If-None-Match"?: string;
            };
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The app */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["App"];
                };
            };
            /** @description It is what `If-None-Match` named */
            304: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    destroyApp: {
        parameters: {
            query?: {
                volumes?: "delete";
            };
            header?: {
                /** @description The `ETag` of what was read: the change is refused with 412 when somebody changed it since. */
                "If-Match"?: string;
            };
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is being removed */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            412: components["responses"]["Changed"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    updateApp: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `ETag` of what was read: the change is refused with 412 when somebody changed it since. */
                "If-Match"?: string;
            };
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AppPatch"];
            };
        };
        responses: {
            /** @description The app: nothing had to be rolled out */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["App"];
                };
            };
            /** @description The change is being rolled out as this deployment */
            202: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Deployment"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            412: components["responses"]["Changed"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listDeployments: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of deployments */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeploymentPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    deployApp: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/gzip": string;
                "application/json": components["schemas"]["DeployImage"];
                "application/x-tar": string;
                "application/zstd": string;
                "multipart/form-data": {
                    config?: components["schemas"]["DeployConfig"];
                    /** Format: binary */
                    context: string;
                };
                "text/x-dockerfile": string;
            };
        };
        responses: {
            /** @description This is live already: nothing was built */
            200: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Deployment"];
                };
            };
            /** @description Accepted */
            202: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Deployment"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            415: components["responses"]["WrongType"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listDomains: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of domains, by host */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DomainPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    addDomain: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DomainCreate"];
            };
        };
        responses: {
            /** @description The claim, with the record to set */
            201: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    Location: components["headers"]["Location"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Domain"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getDomain: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
                host: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The domain */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Domain"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    removeDomain: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
                host: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is served no more */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    checkDomain: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                app: string;
                host: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The domain; `problem` says what DNS has instead */
            200: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Domain"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getEnv: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `ETag` of what the client has: answered with 304 when it is still so. */
                "If-None-Match"?: string;
            };
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Values by name */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Env"];
                };
            };
            /** @description It is what `If-None-Match` named */
            304: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    updateEnv: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `ETag` of what was read: the change is refused with 412 when somebody changed it since. */
                "If-Match"?: string;
            };
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EnvPatch"];
            };
        };
        responses: {
            /** @description The change is being rolled out as this deployment */
            202: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Deployment"];
                };
            };
            /** @description Nothing had to be rolled out */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            412: components["responses"]["Changed"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listAppEvents: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of events of the last days */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AppEventPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    explainApp: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The explanation */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Explanation"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listInstances: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of the instances that are not gone, oldest first */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InstancePage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    execInInstance: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
                instance: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The WebSocket: `core/contract/sessions.ts` says what goes over it */
            101: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            /** @description A problem, with a stable code */
            426: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    connectToPort: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
                instance: string;
                port: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The WebSocket: `core/contract/sessions.ts` says what goes over it */
            101: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            /** @description A problem, with a stable code */
            426: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listJobs: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of jobs, oldest first */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    createJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobCreate"];
            };
        };
        responses: {
            /** @description The job */
            201: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    Location: components["headers"]["Location"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `ETag` of what the client has: answered with 304 when it is still so. */
                "If-None-Match"?: string;
            };
            path: {
                app: string;
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The job */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            /** @description It is what `If-None-Match` named */
            304: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    deleteJob: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It runs no more */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    updateJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `ETag` of what was read: the change is refused with 412 when somebody changed it since. */
                "If-Match"?: string;
            };
            path: {
                app: string;
                job: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobPatch"];
            };
        };
        responses: {
            /** @description The job */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            412: components["responses"]["Changed"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listJobRuns: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                app: string;
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of runs, newest first */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    runJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                app: string;
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The run, which has not begun yet */
            202: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Run"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getAppLogs: {
        parameters: {
            query?: {
                container?: string;
                follow?: boolean;
                instance?: string;
                tail?: number;
            };
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Log lines, oldest first; with `Accept: text/event-stream` as events `log` */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": components["schemas"]["LogEntry"];
                    "text/event-stream": string;
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    startMaintenance: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Maintenance"];
            };
        };
        responses: {
            /** @description The app */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["App"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    endMaintenance: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The app */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["App"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listPreviews: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of previews */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PreviewPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    putPreview: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
                preview: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PreviewPut"];
            };
        };
        responses: {
            /** @description The preview */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Preview"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    promoteApp: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Promote"];
            };
        };
        responses: {
            /** @description It is being rolled out as this deployment */
            202: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Deployment"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listReleases: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of releases */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReleasePage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    rollbackApp: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Rollback"];
            };
        };
        responses: {
            /** @description The change is being rolled out as this deployment */
            202: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Deployment"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listRuns: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of runs, newest first */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    createRun: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RunCreate"];
            };
        };
        responses: {
            /** @description The run, which has not begun yet */
            202: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Run"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getRun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The run */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Run"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    cancelRun: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                app: string;
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The run; it is `cancelled` once nothing of it runs */
            200: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Run"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getRunLogs: {
        parameters: {
            query?: {
                follow?: boolean;
                tail?: number;
            };
            header?: never;
            path: {
                app: string;
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Log lines, oldest first; with `Accept: text/event-stream` as events `log` */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": components["schemas"]["LogEntry"];
                    "text/event-stream": string;
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listSecrets: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of secrets, by name */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SecretPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    putSecret: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SecretPut"];
            };
        };
        responses: {
            /** @description It is written; nothing runs that has to be released anew */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SecretChange"];
                };
            };
            /** @description It is written, and rolled out as these deployments */
            202: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SecretChange"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    deleteSecret: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is written; nothing runs that has to be released anew */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SecretChange"];
                };
            };
            /** @description It is written, and rolled out as these deployments */
            202: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SecretChange"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getAppStatus: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The status */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AppStatus"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listVolumes: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of volumes, oldest first */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VolumePage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    createVolume: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VolumeCreate"];
            };
        };
        responses: {
            /** @description The volume; it is on no node yet */
            201: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    Location: components["headers"]["Location"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Volume"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getVolume: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
                volume: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The volume */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Volume"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    deleteVolume: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
                volume: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is being removed */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listVolumeOperations: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                app: string;
                volume: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of operations, newest first */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VolumeOperationPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    startVolumeOperation: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                app: string;
                volume: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VolumeOperationCreate"];
            };
        };
        responses: {
            /** @description The operation; ask for it until it is `done` or `failed` */
            202: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VolumeOperation"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getVolumeOperation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
                operation: string;
                volume: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The operation */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VolumeOperation"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    resizeVolume: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                app: string;
                volume: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VolumeResize"];
            };
        };
        responses: {
            /** @description The volume; `actualSizeBytes` follows */
            200: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Volume"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listVolumeSnapshots: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                app: string;
                volume: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of snapshots, newest first */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VolumeSnapshotPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    deleteVolumeSnapshot: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                app: string;
                snapshot: string;
                volume: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is being removed */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listAudit: {
        parameters: {
            query?: {
                actor?: string;
                cursor?: string;
                limit?: number;
                /** @description A day, which is its first moment (UTC), or a time. */
                since?: string;
                target?: string;
                /** @description A day, which is its first moment (UTC), or a time. */
                until?: string;
                verb?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Entries */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditEntryPage"];
                    "application/x-ndjson": components["schemas"]["AuditEntry"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getBuild: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The build */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Build"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    cancelBuild: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The build */
            200: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Build"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getBuildLog: {
        parameters: {
            query?: {
                after?: number;
                follow?: boolean;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Events `log` (id = seq), then `end` with the build; with `Accept: application/x-ndjson` entries alone */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": components["schemas"]["BuildLogEntry"];
                    "text/event-stream": string;
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getDeployment: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The deployment */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Deployment"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    cancelDeployment: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The deployment */
            200: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Deployment"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    followDeployment: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Events `deployment`, each the whole deployment; the last one is in an end state */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getSharedEnv: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `ETag` of what the client has: answered with 304 when it is still so. */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Values by name */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Env"];
                };
            };
            /** @description It is what `If-None-Match` named */
            304: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    updateSharedEnv: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `ETag` of what was read: the change is refused with 412 when somebody changed it since. */
                "If-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EnvPatch"];
            };
        };
        responses: {
            /** @description They are written; nothing runs that has to be released anew */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SharedEnvChange"];
                };
            };
            /** @description They are written, and rolled out as these deployments */
            202: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SharedEnvChange"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            412: components["responses"]["Changed"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listInvites: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of invitations, oldest first */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InvitePage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    createInvite: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InviteCreate"];
            };
        };
        responses: {
            /** @description The invitation, with its link this once */
            201: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    Location: components["headers"]["Location"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewInvite"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    revokeInvite: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                invite: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Its link opens nothing any more */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    createCliToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CliLogin"];
            };
        };
        responses: {
            /** @description The token; or the tenants, of which one has to be chosen */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CliLoginAnswer"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listMembers: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of members, in the order in which they first came */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MemberPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    removeMember: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                member: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The person is no member any more */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    setMemberRole: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                member: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RolePut"];
            };
        };
        responses: {
            /** @description The member */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Member"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    storeSnapshot: {
        parameters: {
            query?: never;
            header?: {
                "berth-digest"?: string;
                "berth-image-bytes"?: string;
            };
            path: {
                snapshot: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description They are stored */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            404: components["responses"]["NotFound"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    createNodeToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The JWT */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeToken"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listNodes: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of nodes, oldest first */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodePage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getNode: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `ETag` of what the client has: answered with 304 when it is still so. */
                "If-None-Match"?: string;
            };
            path: {
                node: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The node */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Node"];
                };
            };
            /** @description It is what `If-None-Match` named */
            304: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    updateNode: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `ETag` of what was read: the change is refused with 412 when somebody changed it since. */
                "If-Match"?: string;
            };
            path: {
                node: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NodePatch"];
            };
        };
        responses: {
            /** @description The node */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Node"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            412: components["responses"]["Changed"];
            413: components["responses"]["TooLarge"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listAppsOfNode: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                node: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of apps, oldest first */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeAppPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    drainNode: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                node: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The node, draining */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Node"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listPlans: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of plans, by name */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlanPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    putPlan: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                plan: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PlanPut"];
            };
        };
        responses: {
            /** @description The plan */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Plan"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            413: components["responses"]["TooLarge"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    removePlan: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                plan: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    rotateSigningKeys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["KeyRotate"];
            };
        };
        responses: {
            /** @description The new key */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KeyRotation"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            413: components["responses"]["TooLarge"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listTenants: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of tenants, oldest first */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TenantPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    createTenant: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TenantCreate"];
            };
        };
        responses: {
            /** @description The new tenant */
            201: {
                headers: {
                    Location: components["headers"]["Location"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tenant"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getTenant: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenant: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tenant */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tenant"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    inviteToTenant: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenant: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InviteCreate"];
            };
        };
        responses: {
            /** @description The invitation, with its link this once */
            201: {
                headers: {
                    Location: components["headers"]["Location"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewInvite"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    setTenantPlan: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenant: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TenantPlanPut"];
            };
        };
        responses: {
            /** @description The tenant */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tenant"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            413: components["responses"]["TooLarge"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    resumeTenant: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenant: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tenant */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tenant"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    suspendTenant: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenant: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tenant */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tenant"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    createTenantToken: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenant: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TenantTokenCreate"];
            };
        };
        responses: {
            /** @description The token, shown this once */
            201: {
                headers: {
                    Location: components["headers"]["Location"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewToken"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            413: components["responses"]["TooLarge"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listOperatorTokens: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of tokens, oldest first */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    createOperatorToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OperatorTokenCreate"];
            };
        };
        responses: {
            /** @description The token, shown this once */
            201: {
                headers: {
                    Location: components["headers"]["Location"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewToken"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            413: components["responses"]["TooLarge"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    revokeOperatorToken: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                token: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It opens nothing any more */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getQuota: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every limit */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["QuotaList"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listSharedSecrets: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of secrets, by name */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SecretPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    putSharedSecret: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SecretPut"];
            };
        };
        responses: {
            /** @description It is written; nothing runs that has to be released anew */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SecretChange"];
                };
            };
            /** @description It is written, and rolled out as these deployments */
            202: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SecretChange"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    deleteSharedSecret: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is written; nothing runs that has to be released anew */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SecretChange"];
                };
            };
            /** @description It is written, and rolled out as these deployments */
            202: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SecretChange"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    getSession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    chooseTenant: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SessionPut"];
            };
        };
        responses: {
            /** @description The session */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            413: components["responses"]["TooLarge"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    endSession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Signed out */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    acceptInvite: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InviteAccept"];
            };
        };
        responses: {
            /** @description The session, looking at the tenant that you joined */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            413: components["responses"]["TooLarge"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    renewSession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    createOwnTenant: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OwnTenant"];
            };
        };
        responses: {
            /** @description The session, looking at the new tenant */
            201: {
                headers: {
                    Location: components["headers"]["Location"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    exchangeToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TokenExchange"];
                "application/x-www-form-urlencoded": components["schemas"]["TokenExchange"];
            };
        };
        responses: {
            /** @description A token for an hour */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExchangedToken"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            413: components["responses"]["TooLarge"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listTokens: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of tokens, oldest first; never the tokens themselves */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    createToken: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TokenCreate"];
            };
        };
        responses: {
            /** @description The token, shown this once */
            201: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    Location: components["headers"]["Location"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewToken"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    revokeToken: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                token: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It opens nothing any more */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    rotateToken: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                token: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TokenRotate"];
            };
        };
        responses: {
            /** @description The token, shown this once */
            201: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    Location: components["headers"]["Location"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewToken"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listTrusts: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of trusts, oldest first */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TrustPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    createTrust: {
        parameters: {
            query?: never;
            header?: {
                /** @description A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TrustCreate"];
            };
        };
        responses: {
            /** @description The trust */
            201: {
                headers: {
                    "Idempotency-Replayed": components["headers"]["Idempotency-Replayed"];
                    Location: components["headers"]["Location"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Trust"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["TooLarge"];
            422: components["responses"]["Unusable"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    removeTrust: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                trust: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It gives nothing any more */
            204: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    listUsage: {
        parameters: {
            query?: {
                app?: string;
                by?: "hour" | "day" | "month";
                cursor?: string;
                limit?: number;
                /** @description A day, which is its first moment (UTC), or a time. */
                since?: string;
                /** @description A day, which is its first moment (UTC), or a time. */
                until?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One item for an app and hour, day or month in which it used something */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsagePage"];
                    "text/csv": string;
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
    whoami: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tenant and the token */
            200: {
                headers: {
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Whoami"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Broken"];
            503: components["responses"]["Unavailable"];
        };
    };
}
