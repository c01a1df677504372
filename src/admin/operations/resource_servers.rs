//! Resource servers over HTTP and on the command line. Their names are URIs, percent-encoded in paths.

use super::clients::SecretRotation;
use crate::admin::operation::{Answer, Body, NoQuery, operations};
use crate::admin::page::{Page, PageQuery};
use crate::admin::resource_servers::{NewResourceServer, ResourceServerChange, ResourceServerView};
use crate::admin::{Done, version_of};

impl Body for NewResourceServer {}
impl Body for ResourceServerChange {}

impl Answer for ResourceServerView {
    fn version(&self) -> Option<String> {
        Some(version_of(self))
    }

    fn named(&self) -> Option<String> {
        Some(self.audience.clone())
    }
}

operations! {
    /// Lists resource servers in the order of their audiences.
    ListResourceServers = Get "/resource-servers" (List, Read)
        |admin, _: (), query: PageQuery, _: ()| -> Page<ResourceServerView> {
        let after: String = query.after()?;
        let fetch = async |limit| admin.resource_servers(&after, limit).await;
        let mut page = admin.page(query.limit, fetch, |server| server.audience.clone()).await?;
        page.total = Some(admin.count_resource_servers().await?);
        Ok(page)
    }

    /// Registers an API and answers its secret for introspection (RFC 7662), once.
    CreateResourceServer = Post "/resource-servers" (Create, Write)
        |admin, _: (), _: NoQuery, new: NewResourceServer| -> Done<ResourceServerView> {
        admin.create_resource_server(new).await
    }

    /// Shows a resource server.
    ShowResourceServer = Get "/resource-servers/{audience}" (Show, Read)
        |admin, audience: String, _: NoQuery, _: ()| -> ResourceServerView {
        admin.resource_server(&audience).await
    }

    /// Changes a resource server; what is absent stays as it is, and `null` is as the settings have it.
    UpdateResourceServer = Patch "/resource-servers/{audience}" (Update, Write)
        |admin, audience: String, _: NoQuery, change: ResourceServerChange| -> Done<ResourceServerView> {
        admin.update_resource_server(&audience, change).await
    }

    /// Makes a new secret and answers it, once; the old one ends now or when it is said to.
    RotateResourceServerSecret = Post "/resource-servers/{audience}/secrets" (Act, Write)
        |admin, audience: String, _: NoQuery, rotation: SecretRotation| -> Done<ResourceServerView> {
        admin.rotate_resource_server_secret(&audience, rotation.keep_old_for).await
    }

    /// Stops issuing tokens for the API and answering it at introspection, until it is enabled.
    DisableResourceServer = Post "/resource-servers/{audience}/disable" (Act, Write)
        |admin, audience: String, _: NoQuery, _: ()| -> Done<ResourceServerView> {
        admin.disable_resource_server(&audience).await
    }

    /// Lets a disabled resource server be used again.
    EnableResourceServer = Post "/resource-servers/{audience}/enable" (Act, Write)
        |admin, audience: String, _: NoQuery, _: ()| -> Done<ResourceServerView> {
        admin.enable_resource_server(&audience).await
    }

    /// Removes a resource server that no client lists.
    DeleteResourceServer = Delete "/resource-servers/{audience}" (Act, Write)
        |admin, audience: String, _: NoQuery, _: ()| -> Done<ResourceServerView> {
        admin.delete_resource_server(&audience).await
    }
}
