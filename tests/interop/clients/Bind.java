import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Hashtable;
import java.util.TreeSet;
import javax.naming.AuthenticationException;
import javax.naming.Context;
import javax.naming.NamingEnumeration;
import javax.naming.NamingException;
import javax.naming.directory.SearchControls;
import javax.naming.directory.SearchResult;
import javax.naming.ldap.ExtendedRequest;
import javax.naming.ldap.ExtendedResponse;
import javax.naming.ldap.InitialLdapContext;

/**
 * JNDI and the JDK's own DIGEST-MD5: bind, say who that made us, look up u1, read the schema.
 *
 * <p>Bind URL DIGEST-MD5|simple USER-OR-DN PASSWORD [REALM]
 *
 * <p>The environment may name a QOP other than auth.
 *
 * <p>The exit status is 49 for a bind that was refused, 1 for anything else that went wrong; standard error says what.
 */
public class Bind {
    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        Hashtable<String, Object> env = new Hashtable<>();
        env.put(Context.INITIAL_CONTEXT_FACTORY, "com.sun.jndi.ldap.LdapCtxFactory");
        env.put(Context.PROVIDER_URL, args[0]);
        env.put("com.sun.jndi.ldap.connect.timeout", "10000");
        env.put("com.sun.jndi.ldap.read.timeout", "10000");
        env.put(Context.SECURITY_AUTHENTICATION, args[1]);
        env.put(Context.SECURITY_PRINCIPAL, args[2]);
        env.put(Context.SECURITY_CREDENTIALS, args[3]);
        env.put("javax.security.sasl.qop", System.getenv().getOrDefault("QOP", "auth"));
        env.put("javax.security.sasl.server.authentication", "true");
        if (args.length > 4) {
            env.put("java.naming.security.sasl.realm", args[4]);
        }
        try {
            InitialLdapContext ldap = new InitialLdapContext(env, null);
            ExtendedResponse who = ldap.extendedOperation(new WhoAmI());
            out.println("who: " + new String(who.getEncodedValue(), StandardCharsets.UTF_8));
            SearchControls subtree = new SearchControls();
            subtree.setSearchScope(SearchControls.SUBTREE_SCOPE);
            NamingEnumeration<SearchResult> found = ldap.search("dc=contoso,dc=com", "(uid=u1)", subtree);
            while (found.hasMore()) {
                SearchResult entry = found.next();
                out.println("found: " + entry.getNameInNamespace() + " " + entry.getAttributes().get("mail").get());
            }
            var must = ldap.getSchema("").getAttributes("ClassDefinition/person").get("MUST");
            TreeSet<Object> names = new TreeSet<>();
            must.getAll().asIterator().forEachRemaining(names::add);
            out.println("schema: " + names);
            ldap.close();
        } catch (AuthenticationException refused) {
            System.err.println(refused.getMessage());
            System.exit(49);
        } catch (NamingException failed) {
            System.err.println(failed);
            System.exit(1);
        }
    }

    /** "Who am I?", RFC 4532, which JNDI has no class for. */
    static class WhoAmI implements ExtendedRequest {
        @Override
        public String getID() {
            return "1.3.6.1.4.1.4203.1.11.3";
        }

        @Override
        public byte[] getEncodedValue() {
            return null;
        }

        @Override
        public ExtendedResponse createExtendedResponse(String id, byte[] ber, int offset, int length) {
            byte[] value = ber == null ? new byte[0] : Arrays.copyOfRange(ber, offset, offset + length);
            return new ExtendedResponse() {
                @Override
                public String getID() {
                    return id;
                }

                @Override
                public byte[] getEncodedValue() {
                    return value;
                }
            };
        }
    }
}
